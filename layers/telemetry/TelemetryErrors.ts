/** Failures of the telemetry itself, said on stderr at most once a minute. */
import { Context, Metric } from "effect"
import { observabilityErrors } from "../../src/telemetry/Metrics.ts"
import { failuresSoFar, onTelemetryFailure, quietly } from "../../src/telemetry/TelemetryFailure.ts"

export { telemetryFailed } from "../../src/telemetry/TelemetryFailure.ts"

const everyMs = 60_000
let saidAt = Number.NEGATIVE_INFINITY

/** From now on they are said, and their number is a metric: it is read, since counting may be what fails. */
export const tellOfFailures = (): void => {
  onTelemetryFailure((error) => {
    const now = performance.now()
    if (now - saidAt < everyMs) return
    saidAt = now
    process.stderr.write(`telemetry failed, the work goes on: ${String(error)}\n`)
  })
  quietly(() => {
    const get = () => ({ count: failuresSoFar(), incremental: true })
    Metric.registerUnsafe(observabilityErrors.metric, Context.empty(), { get, update: () => {}, modify: () => {} })
  })
}
