/** Keeps the gauges of the backlog, and of what holds back vacuum, up to date for as long as its layer lives. */
import { Effect, Layer } from "effect"
import { FanOuts } from "../outbox/FanOuts.ts"
import { OutboxReport } from "../outbox/OutboxReport.ts"
import { subscribed } from "../outbox/Projection.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import * as VacuumWatch from "./VacuumWatch.ts"

/** As often as scrapers usually come; a look at a large backlog costs some milliseconds. */
const every = "15 seconds"

/** Seconds: three times what a transaction of ours may take, so whoever it is, something has gone wrong. */
const warnAfter = 60

/** One look. Tests call this. */
export const sample = Effect.gen(function*() {
  const report = yield* OutboxReport
  for (const { oldest_pending_age_seconds, pending, projection } of yield* report.stats) {
    if (!subscribed.includes(projection)) continue
    yield* Metrics.pending.set({ projection }, pending)
    yield* Metrics.oldestPendingAge.set({ projection }, oldest_pending_age_seconds)
  }
  yield* Metrics.fanOutPending.set({}, yield* FanOuts.use(({ pending }) => pending))
})

const orLogged = (message: string) => <A, E, R>(look: Effect.Effect<A, E, R>) =>
  Effect.catchCause(look, (cause) => Effect.logWarning(message, cause))

export const layer = Layer.effectDiscard(
  Effect.gen(function*() {
    const watch = yield* VacuumWatch.make(warnAfter)
    yield* sample.pipe(
      orLogged("the backlog could not be counted"),
      Effect.andThen(orLogged("nobody could see what holds back vacuum")(watch.sample)),
      Effect.andThen(Effect.sleep(every)),
      Effect.forever,
      Effect.withTracerEnabled(false),
      Effect.forkScoped
    )
  })
)
