/** How soon explain and the overview answer, beside a million finished changes and many that wait. */
import { withBacklog } from "../Backlog.ts"
import type { Finding } from "../Findings.ts"
import { type Amounts, namesOf } from "../LongRun.ts"
import { quantile, shown } from "../Numbers.ts"
import { type Session, within } from "../Sessions.ts"
import type { Stage } from "../Stage.ts"

interface Names {
  readonly id: number
  readonly entity: string
  readonly request: string
  readonly trace: string
}

const ways: Readonly<Record<string, (names: Names) => string>> = {
  entity: ({ entity }) => `tag=${entity}`,
  event: ({ id }) => `event=search/${id}`,
  request: ({ request }) => `request_id=${request}`,
  trace: ({ trace }) => `trace_id=${trace}`
}

const states = ["finished", "waiting", "unknown"] as const
type State = typeof states[number]

interface Run {
  readonly what: string
  readonly ms: ReadonlyArray<number>
}

/** So many before those that count: statements are prepared and planned for good, and the program is compiled. */
const warmUps = 10

const timed = async (url: string) => {
  const startedAt = performance.now()
  const answer = await fetch(url)
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${url} was answered with ${answer.status}: ${text}`)
  return performance.now() - startedAt
}

/** One after the other, as a person asks. */
const asked = async (urls: ReadonlyArray<string>) => {
  const ms: Array<number> = []
  for (const url of urls) ms.push(await timed(url))
  return ms.slice(warmUps)
}

/** Spread over all of its state, each another one. */
const numbersOf = (state: State, { dead, finished, waiting }: Amounts, count: number) => {
  const all = finished + waiting
  const [from, many] = {
    finished: [0, finished] as const,
    waiting: [finished, waiting] as const,
    unknown: [all + dead, all] as const
  }[state]
  return Array.from({ length: count }, (_, n) => from + 1 + Math.floor((n + 0.5) * many / count))
}

const measured = async (session: Session, base: string, amounts: Amounts, count: number) => {
  const runs: Array<Run> = []
  for (const state of states) {
    const { rows } = await session.query(namesOf(numbersOf(state, amounts, count + warmUps)))
    for (const [way, query] of Object.entries(ways)) {
      const urls = (rows as ReadonlyArray<Names>).map((names) => `${base}/api/v1/explain?${query(names)}`)
      runs.push({ what: `explain by ${way}, ${state}`, ms: await asked(urls) })
    }
  }
  const overviews = Array.from({ length: count + warmUps }, () => `${base}/api/v1/outbox/overview`)
  runs.push({ what: "overview, the API's answer", ms: await asked(overviews) })
  return runs
}

const finding = (runs: ReadonlyArray<Run>, { finished, waiting }: Amounts): Finding => {
  const explains = runs.filter(({ what }) => what.startsWith("explain"))
  const slowest = (at: number) => Math.max(...explains.map(({ ms }) => quantile(ms, at)))
  return {
    stage: "explain",
    title: `${shown(finished, 0)} finished changes and ${shown(waiting, 0)} that wait; milliseconds`,
    head: ["what", "p50", "p95", "p99", "asked"],
    rows: runs.map(({ ms, what }) => [
      what,
      ...[0.5, 0.95, 0.99].map((at) => shown(quantile(ms, at))),
      String(ms.length)
    ]),
    figures: [
      { name: "explain, p50 of the slowest way", values: [slowest(0.5)], unit: " ms", atMost: 100 },
      { name: "explain, p99 of the slowest way", values: [slowest(0.99)], unit: " ms", atMost: 100 }
    ],
    notes: [],
    runs
  }
}

export const explain: Stage = {
  peers: () => [],
  run: async (bench) => {
    const count = bench.options.quick ? 40 : 100
    return withBacklog(bench, "bench_explain", async ({ amounts, base, url }) => {
      bench.progress.step(0, 1, "asks")
      return finding(await within(url, (session) => measured(session, base, amounts, count)), amounts)
    })
  }
}
