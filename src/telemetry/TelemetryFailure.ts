/** Failures of the telemetry itself: counted here, and told by whoever has a place to tell them. */

let failures = 0
let tell: (error: unknown) => void = () => {}

/** How many there were since the start of the process. */
export const failuresSoFar = (): number => failures

/** Who says it to a person from now on; the last one counts. */
export const onTelemetryFailure = (told: (error: unknown) => void): void => {
  tell = told
}

/** Called from the middle of other people's work: it neither throws nor waits. */
export const telemetryFailed = (error: unknown): void => {
  failures += 1
  try {
    tell(error)
  } catch {
    // Nothing is left to tell it to.
  }
}

/** What observes must not change what happens: whatever it throws ends here, and the observation is lost. */
export const quietly = (observe: () => void): void => {
  try {
    observe()
  } catch (error) {
    telemetryFailed(error)
  }
}
