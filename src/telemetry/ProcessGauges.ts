/** Keeps up to date what a process says of itself: its pool where it has one, and how many series it has. */
import { Effect, Layer, Option } from "effect"
import { DatabasePool } from "./DatabasePool.ts"
import * as Metrics from "./Metrics.ts"
import { SeriesAlarm } from "./SeriesAlarm.ts"

/** As often as scrapers usually come: requirement S3-20. */
const every = "15 seconds"

/** One look. Tests call this. */
export const sample = Effect.gen(function*() {
  const pool = yield* Effect.serviceOption(DatabasePool)
  if (Option.isSome(pool)) {
    const { max, open, waiting } = yield* pool.value.look
    yield* Metrics.dbConnectionsOpen.set({}, open)
    yield* Metrics.dbConnectionsMax.set({}, max)
    yield* Metrics.dbConnectionsWaiting.set({}, waiting)
  }
  yield* SeriesAlarm.use(({ sample: counted }) => counted)
})

export const layer = sample.pipe(
  Effect.catchCause((cause) => Effect.logWarning("a process could not be measured", cause)),
  Effect.andThen(Effect.sleep(every)),
  Effect.forever,
  Effect.withTracerEnabled(false),
  Effect.forkScoped,
  Layer.effectDiscard
)
