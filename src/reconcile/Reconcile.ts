/** Compares the index with the entities from end to end, and repairs what differs if that is asked for. */
import { Array, Effect, References } from "effect"
import { compare, type Drift, type Totals } from "../search/Drift.ts"
import { SearchIndex } from "../search/SearchIndex.ts"
import { isBeyond, repair, repairMax } from "./Repair.ts"

export interface Outcome extends Totals {
  /** How many the index will be told of again. */
  readonly enqueued: number
  /** How many no repair can replace. */
  readonly beyond: number
}

export interface Reconciling<E, R> {
  readonly repair: boolean
  /** What was just found, and how far it has come. */
  readonly onPart?: (drifts: ReadonlyArray<Drift>, totals: Totals) => Effect.Effect<void, E, R>
}

const walk = Effect.fnUntraced(function*<E, R>(options: Reconciling<E, R>, traced: boolean) {
  const index = yield* SearchIndex
  let enqueued = 0
  let beyond = 0

  const mend = Effect.fnUntraced(function*(drifts: ReadonlyArray<Drift>) {
    for (const part of Array.chunksOf(drifts, repairMax)) {
      enqueued += yield* Effect.withTracerEnabled(repair(part), traced)
    }
  })

  const onPart = Effect.fnUntraced(function*(drifts: ReadonlyArray<Drift>, totals: Totals) {
    beyond += drifts.filter(isBeyond).length
    if (options.repair) yield* mend(drifts)
    if (options.onPart !== undefined) yield* options.onPart(drifts, totals)
  })

  // What is told anew needs an index to go to; a mere comparison makes none.
  if (options.repair) yield* index.prepare
  yield* index.refresh
  const totals = yield* compare({ onPart })
  return { ...totals, enqueued, beyond } satisfies Outcome
})

/** Only repairs are traced: a comparison is thousands of statements that say nothing one by one. */
export const reconcile = <E = never, R = never>(options: Reconciling<E, R>) =>
  Effect.flatMap(References.TracerEnabled, (traced) => Effect.withTracerEnabled(walk(options, traced), false))
