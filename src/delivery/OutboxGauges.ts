/** Keeps the gauges of the backlog up to date, for as long as its layer lives. */
import { Effect, Layer, Metric } from "effect"
import { OutboxReport } from "../outbox/OutboxReport.ts"
import { subscribed } from "../outbox/Projection.ts"
import * as Metrics from "../telemetry/Metrics.ts"

/** As often as scrapers usually come; a look at a large backlog costs some milliseconds. */
const every = "15 seconds"

/** One look. Tests call this. */
export const sample = Effect.gen(function*() {
  const report = yield* OutboxReport
  for (const { oldest_pending_age_seconds, pending, projection } of yield* report.stats) {
    if (!subscribed.includes(projection)) continue
    yield* Metric.update(Metric.withAttributes(Metrics.pending, { projection }), pending)
    yield* Metric.update(Metric.withAttributes(Metrics.oldestPendingAge, { projection }), oldest_pending_age_seconds)
  }
})

export const layer = Layer.effectDiscard(
  sample.pipe(
    Effect.catchCause((cause) => Effect.logWarning("the backlog could not be counted", cause)),
    Effect.andThen(Effect.sleep(every)),
    Effect.forever,
    Effect.withTracerEnabled(false),
    Effect.forkScoped
  )
)
