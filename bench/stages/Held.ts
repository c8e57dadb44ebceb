/** A long drain while another session holds an old snapshot: nothing that was deleted can be cleaned up behind it. */
import type { Finding } from "../Findings.ts"
import { median, shown } from "../Numbers.ts"
import type { Drained, Peer } from "../Peers.ts"
import { open } from "../Sessions.ts"
import type { Stage } from "../Stage.ts"

interface Run extends Drained {
  readonly held: boolean
  readonly round: number
}

/** Rows per second of the rows from `from` to `to` (0 to 1) of all. */
const rateBetween = ({ progress = [], rows }: Drained, from: number, to: number) => {
  const reachedAt = (share: number) =>
    share === 0 ? 0 : progress.find(([, done]) => done >= rows * share)?.[0] ?? Number.NaN
  return rows * (to - from) / (reachedAt(to) - reachedAt(from)) * 1_000
}

const holding = async <A>(peer: Peer, hold: boolean, use: () => Promise<A>) => {
  if (!hold) return use()
  const session = await open(peer.url)
  try {
    await session.query("begin isolation level repeatable read")
    // A snapshot is taken by the first statement; one that writes holds back a little more still.
    await session.query("select pg_current_xact_id()")
    return await use()
  } finally {
    await session.end()
  }
}

const lastThird = (run: Drained) => rateBetween(run, 2 / 3, 1) / rateBetween(run, 0, 1 / 3)

const finding = (runs: ReadonlyArray<Run>, rows: number): Finding => {
  const of = (held: boolean) => runs.filter((run) => run.held === held)
  const cost = (run: Drained) => run.postgresUs ?? Number.NaN
  const pairs = of(true).flatMap((run) => {
    const other = of(false).find(({ round }) => round === run.round)
    return other === undefined ? [] : [cost(run) / cost(other)]
  })
  return {
    stage: "held",
    title: `${shown(rows, 0)} rows drained while a snapshot is held open`,
    head: ["wordloom", "rows/s", "first third", "middle", "last third", "worker µs", "PG µs"],
    rows: [false, true].map((held) => [
      held ? "held" : "not held",
      shown(median(of(held).map(({ rate }) => rate)), 0),
      ...[0, 1, 2].map((third) =>
        shown(median(of(held).map((run) => rateBetween(run, third / 3, (third + 1) / 3))), 0)
      ),
      shown(median(of(held).map(({ workerUs }) => workerUs)), 1),
      shown(median(of(held).map(cost)), 1)
    ]),
    figures: [
      { name: "held: rows/s of the last third ÷ first third", values: of(true).map(lastThird), atLeast: 0.8 },
      { name: "not held: the same", values: of(false).map(lastThird) },
      { name: "PG CPU per row, held ÷ not held", values: pairs, atMost: 1.3 }
    ],
    notes: [],
    runs
  }
}

export const held: Stage = {
  peers: () => ["wordloom"],
  run: async ({ options, peer, progress }) => {
    const rows = options.rows ?? (options.quick ? 120_000 : 600_000)
    const wordloom = peer("wordloom")
    const rounds = Math.min(options.rounds, 2)
    const plan = Array.from({ length: rounds }, (_, round) => [false, true].map((hold) => ({ round, hold }))).flat()
    const runs: Array<Run> = []
    for (const [at, { hold, round }] of plan.entries()) {
      progress.step(at, plan.length, hold ? "held" : "not held")
      await wordloom.fill(rows)
      const drained = await holding(wordloom, hold, () => wordloom.drain({ rows, timeoutMs: 300_000 }))
      runs.push({ round, held: hold, ...drained })
      await wordloom.clear()
    }
    return finding(runs, rows)
  }
}
