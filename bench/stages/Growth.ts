/** What the first rows of a backlog cost, by its size: a claim must not look through what it leaves behind. */
import type { Finding } from "../Findings.ts"
import { median, shown } from "../Numbers.ts"
import type { Options } from "../Options.ts"
import type { Drained } from "../Peers.ts"
import { interleaved } from "../Progress.ts"
import type { Stage } from "../Stage.ts"

const names = ["bare-lease", "wordloom"]

const sizesOf = ({ full, quick }: Options) =>
  quick ? [10_000, 100_000] : full ? [10_000, 100_000, 1_000_000, 5_000_000] : [10_000, 100_000, 1_000_000]

interface Run extends Drained {
  readonly peer: string
  readonly size: number
  readonly round: number
}

/** A small table is emptied; of a large one as much as gives the clock something to count. */
const drainedOf = (size: number) => Math.min(size, 30_000)
/** What a fresh session and a cold program cost is the same for all sizes, and would hide the difference. */
const warm = 3_000

const finding = (sizes: ReadonlyArray<number>, runs: ReadonlyArray<Run>): Finding => {
  const cost = (peer: string, size: number) =>
    median(runs.filter((run) => run.peer === peer && run.size === size).map((run) => run.postgresUs ?? Number.NaN))
  const of = (peer: string, size: number, what: "rate" | "workerUs") =>
    median(runs.filter((run) => run.peer === peer && run.size === size).map((run) => run[what]))
  const smallest = sizes[0]!
  const figures = names.flatMap((peer) =>
    sizes.slice(1).map((size) => ({
      name: `${peer}: PG CPU per row, ${shown(size, 0)} ÷ ${shown(smallest, 0)}`,
      values: [cost(peer, size) / cost(peer, smallest)],
      ...(peer === "wordloom" ? { atMost: 1.3 } : {})
    }))
  )
  return {
    stage: "growth",
    title: "the first rows (at most 30,000) of a backlog",
    head: ["peer", "backlog", "rows/s", "worker µs", "PG µs"],
    rows: names.flatMap((peer) =>
      sizes.map((size) => [
        peer,
        shown(size, 0),
        shown(of(peer, size, "rate"), 0),
        shown(of(peer, size, "workerUs"), 1),
        shown(cost(peer, size), 1)
      ])
    ),
    figures,
    notes: [`the clock starts after ${shown(warm, 0)} rows`],
    runs
  }
}

export const growth: Stage = {
  peers: () => names,
  run: async ({ options, peer, progress }) => {
    const sizes = sizesOf(options)
    const plan = sizes.flatMap((size) =>
      interleaved(size >= 1_000_000 ? 1 : options.rounds, names).map((pair) => ({ ...pair, size }))
    )
    const runs: Array<Run> = []
    for (const [at, { round, size, thing }] of plan.entries()) {
      progress.step(at, plan.length, `${thing}, ${shown(size, 0)} rows`)
      const one = peer(thing)
      await one.fill(size)
      const { progress: _, ...drained } = await one.drain({
        rows: drainedOf(size),
        env: { BENCH_WARM_ROWS: String(warm) }
      })
      runs.push({ peer: thing, size, round, ...drained })
      await one.clear()
    }
    return finding(sizes, runs)
  }
}
