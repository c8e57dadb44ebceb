/** How soon the console shows what it has in a real browser, beside a million finished changes and many that wait. */
import { missingBrowser, openBrowser } from "../../test/support/Browser.ts"
import { withBacklog } from "../Backlog.ts"
import type { Finding } from "../Findings.ts"
import type { Amounts } from "../LongRun.ts"
import { quantile, shown } from "../Numbers.ts"
import { type Look, painted } from "../Painted.ts"
import { interleaved, type Progress } from "../Progress.ts"
import type { Stage } from "../Stage.ts"

/** What the browser and the machine take for a page without a script. */
const least: Look = { what: "a page of one line", path: "/health", selector: "pre" }
const overview: Look = { what: "overview, its figures", path: "/", selector: ".cards .number" }
const looks: ReadonlyArray<Look> = [
  least,
  overview,
  { what: "outbox, its rows", path: "/outbox", selector: "tbody tr" },
  { what: "explain, its sentence", path: "/explain?event=search/1", selector: ".sentence" }
]

interface Visit {
  readonly what: string
  readonly first: number
  readonly second: number
}

/** The browser itself, the program and its statements need some to begin. */
const warmUps = 2

const visited = async (base: string, rounds: number, progress: Progress) => {
  const browser = await openBrowser()
  try {
    for (const look of looks) for (let visit = 0; visit < warmUps; visit++) await painted(browser, base, look)
    const visits: Array<Visit> = []
    const all = interleaved(rounds, looks)
    for (const [at, { thing }] of all.entries()) {
      progress.step(at, all.length, thing.what)
      visits.push({ what: thing.what, ...await painted(browser, base, thing) })
    }
    return visits
  } finally {
    await browser.close()
  }
}

const finding = (visits: ReadonlyArray<Visit>, { finished, waiting }: Amounts): Finding => {
  const of = ({ what }: Look, which: "first" | "second") =>
    visits.filter((visit) => visit.what === what).map((visit) => visit[which])
  const figure = (which: "first" | "second") => ({
    name: `${overview.what}, ${which} visit, p50`,
    values: visits.length === 0 ? [] : [quantile(of(overview, which), 0.5)],
    unit: " ms",
    atMost: 200
  })
  return {
    stage: "page",
    title: `${shown(finished, 0)} finished changes and ${shown(waiting, 0)} that wait; milliseconds until painted`,
    head: ["", "visit", "least", "p50", "p95", "visits"],
    rows: looks.flatMap((look) =>
      (["first", "second"] as const).map((which) => {
        const ms = of(look, which)
        return [look.what, which, ...[0, 0.5, 0.95].map((at) => shown(quantile(ms, at), 0)), String(ms.length)]
      })
    ),
    figures: [figure("first"), figure("second")],
    notes: missingBrowser === undefined ? [] : [missingBrowser],
    runs: visits
  }
}

export const page: Stage = {
  peers: () => [],
  run: (bench) =>
    withBacklog(bench, "bench_page", async ({ amounts, base }) => {
      const visits = missingBrowser === undefined
        ? await visited(base, bench.options.quick ? 10 : 20, bench.progress)
        : []
      return finding(visits, amounts)
    })
}
