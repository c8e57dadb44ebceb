/** Reconciles from time to time, in one of several workers, tells all of them what was found, and forgets removals. */
import { Duration, Effect, Exit, Layer } from "effect"
import { DriftClass, driftCount } from "../search/Drift.ts"
import { SearchIndex } from "../search/SearchIndex.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import { reconcile } from "./Reconcile.ts"
import { ReconcileStore } from "./ReconcileStore.ts"

export interface ScheduleOptions {
  /** Zero: never, and nothing is forgotten either. */
  readonly every: Duration.Duration
  readonly repair: boolean
}

/** A look at one row; what was found is told by every worker, whichever of them found it. */
const lookEvery = Duration.minutes(1)

/** An engine that is away, or a worker that is stopped, must not cost the whole interval. */
const retryAfter = Duration.minutes(10)

/**
 * How long a removal is remembered, in the index and in the database. What it guards against is a write that was on its
 * way when the entity was removed: requests end after seconds, and a worker that stood still longer than half its lease
 * begins none. A row that is replayed later loads the entity anew, finds none and writes a tombstone again.
 */
export const tombstonesKept = Duration.days(7)

const purgeMax = 1_000
/** A bound for one turn; the next goes on. */
const purgesMax = 1_000

const untilFewer = <E, R>(purge: Effect.Effect<number, E, R>) =>
  Effect.gen(function*() {
    let all = 0
    for (let time = 0; time < purgesMax; time++) {
      const gone = yield* purge
      all += gone
      if (gone < purgeMax) break
    }
    return all
  })

const forget = Effect.fnUntraced(function*(now: number) {
  const [index, store] = [yield* SearchIndex, yield* ReconcileStore]
  const before = now - Duration.toMillis(tombstonesKept)
  const tombstones = yield* untilFewer(index.purge(before, purgeMax))
  const entities = yield* untilFewer(store.forget(before, purgeMax))
  if (tombstones + entities > 0) yield* Effect.logInfo("old removals were forgotten", { tombstones, entities })
}, Effect.withTracerEnabled(false))

const ended = (result: "clean" | "drift" | "failed") => Metrics.reconciles.add({ result })

const run = Effect.fnUntraced(function*({ repair }: ScheduleOptions, now: number) {
  const store = yield* ReconcileStore
  yield* forget(now)
  const { beyond, differing, enqueued, entities, missing, orphaned, stale } = yield* reconcile({ repair })
  const found = { missing, stale, orphaned }
  yield* Effect.withTracerEnabled(store.record(found), false)
  yield* ended(driftCount(found) === 0 ? "clean" : "drift")
  const told = { entities, ranges_differing: differing, ...found, repaired: enqueued, beyond_repair: beyond }
  yield* driftCount(found) === 0
    ? Effect.logInfo("the search index says what it should", told)
    : Effect.logWarning("the search index says something else than it should", told)
})

/** One look: whose turn it is, and what was found last. Tests call this. */
export const look = Effect.fnUntraced(function*(options: ScheduleOptions) {
  const store = yield* ReconcileStore
  const now = yield* Effect.withTracerEnabled(store.takeTurn(options.every), false)
  if (now !== undefined) {
    yield* run(options, now).pipe(
      Effect.onExit((exit) =>
        Exit.isSuccess(exit)
          ? Effect.void
          : Effect.ignore(Effect.withTracerEnabled(store.giveBack(options.every, retryAfter), false))
      ),
      Effect.tapCause(() => ended("failed"))
    )
  }
  const last = yield* Effect.withTracerEnabled(store.last, false)
  if (last === undefined) return
  for (const name of DriftClass.literals) {
    yield* Metrics.searchDrift.set({ class: name }, last[name])
  }
})

export const layer = (options: ScheduleOptions) =>
  Duration.toMillis(options.every) === 0 ? Layer.empty : look(options).pipe(
    Effect.catchCause((cause) =>
      Effect.logWarning("the search index could not be reconciled; it is tried again", cause)
    ),
    Effect.delay(Duration.min(options.every, lookEvery)),
    Effect.forever,
    Effect.forkScoped,
    Layer.effectDiscard
  )
