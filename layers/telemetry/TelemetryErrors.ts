/** Failures of the telemetry itself: counted, and said on stderr at most once a minute. */
import { Context } from "effect"
import { observabilityErrors } from "../../src/telemetry/Metrics.ts"

const everyMs = 60_000
let saidAt = Number.NEGATIVE_INFINITY

/** Called from the middle of other people's work: it neither throws nor waits. */
export const telemetryFailed = (error: unknown): void => {
  try {
    observabilityErrors.updateUnsafe(1, Context.empty())
    const now = performance.now()
    if (now - saidAt < everyMs) return
    saidAt = now
    process.stderr.write(`telemetry failed, the work goes on: ${String(error)}\n`)
  } catch {
    // Nothing is left to tell it to.
  }
}
