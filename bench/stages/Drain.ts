/** How fast and how cheaply a backlog is emptied when the destination costs nothing. */
import type { Finding } from "../Findings.ts"
import { median, shown, spread } from "../Numbers.ts"
import type { Options } from "../Options.ts"
import type { Drained } from "../Peers.ts"
import { interleaved } from "../Progress.ts"
import type { Stage } from "../Stage.ts"

const some = ["bare-lease", "bare-lease-history", "bare-shardfence", "graphile", "wordloom"]
const peers = ({ allPeers }: Options) => allPeers ? [...some, "pg-boss"] : some

interface Run extends Drained {
  readonly round: number
  readonly peer: string
}

export const total = ({ postgresUs, workerUs }: Drained) => postgresUs === null ? Number.NaN : workerUs + postgresUs

/** `of(a) / of(b)` in each round that has both. */
const ratios = (runs: ReadonlyArray<Run>, a: string, b: string, of: (run: Drained) => number) =>
  runs.filter(({ peer }) => peer === a).flatMap((run) => {
    const other = runs.find(({ peer, round }) => peer === b && round === run.round)
    return other === undefined ? [] : [of(run) / of(other)]
  })

const rate = (run: Drained) => run.rate

const finding = (names: ReadonlyArray<string>, runs: ReadonlyArray<Run>, rows: number): Finding => {
  const of = (name: string) => runs.filter(({ peer }) => peer === name)
  const table = names.map((name) => [
    name,
    spread(of(name).map(rate)),
    spread(ratios(runs, name, "bare-lease", rate)),
    spread(ratios(runs, name, "bare-lease-history", rate)),
    spread(ratios(runs, name, "graphile", rate)),
    shown(median(of(name).map(({ workerUs }) => workerUs)), 1),
    shown(median(of(name).map(({ postgresUs }) => postgresUs ?? Number.NaN)), 1),
    shown(median(of(name).map(total)), 1),
    shown(median(of(name).map(({ rssMB }) => rssMB)), 0),
    shown(median(of(name).map(({ rssStartMB }) => rssStartMB)), 0)
  ])
  return {
    stage: "drain",
    title: `${shown(rows, 0)} ready rows, a handler that does nothing, batch 500, tracing off`,
    head: [
      "peer",
      "rows/s",
      "× lease",
      "× lease+history",
      "× graphile",
      "worker µs",
      "PG µs",
      "both µs",
      "RSS MB",
      "at start"
    ],
    rows: table,
    figures: [
      { name: "rows/s ÷ graphile", values: ratios(runs, "wordloom", "graphile", rate), atLeast: 1.5 },
      { name: "rows/s ÷ bare-lease", values: ratios(runs, "wordloom", "bare-lease", rate), atLeast: 1.4 },
      { name: "rows/s ÷ bare-lease-history", values: ratios(runs, "wordloom", "bare-lease-history", rate) },
      { name: "CPU per row ÷ graphile", values: ratios(runs, "wordloom", "graphile", total), atMost: 0.5 },
      { name: "peak RSS", values: of("wordloom").map(({ rssMB }) => rssMB), unit: " MB", atMost: 160 }
    ],
    notes: ["bare loops have no retries, metrics, tracing or housekeeping: they are a limit, not a product"],
    runs
  }
}

export const drain: Stage = {
  peers,
  run: async ({ options, peer, progress }) => {
    const rows = options.rows ?? (options.quick ? 20_000 : 100_000)
    const names = peers(options)
    const plan = interleaved(options.rounds, names)
    const runs: Array<Run> = []
    for (const [at, { round, thing }] of plan.entries()) {
      progress.step(at, plan.length, thing)
      const one = peer(thing)
      await one.fill(rows)
      const { progress: _, ...drained } = await one.drain({ rows })
      runs.push({ round, peer: thing, ...drained })
      await one.clear()
    }
    return finding(names, runs, rows)
  }
}
