/** By when a request must have its answer, so that what waits in it ends before that. */
import { Clock, Context, Duration, Effect } from "effect"

/** A request that takes longer is answered 503; its transaction rolls back. */
export const answerWithin = Duration.seconds(30)

/** For the answer itself, and for a last look. */
const reserve = Duration.seconds(2)

/** In the nanoseconds of Effect's clock; `undefined` outside of a request. */
export const Deadline = Context.Reference<bigint | undefined>("wordloom/http/Deadline", {
  defaultValue: () => undefined
})

/** `wanted`, or what is left of the request's time. */
export const atMost = (wanted: Duration.Duration): Effect.Effect<Duration.Duration> =>
  Effect.gen(function*() {
    const deadline = yield* Deadline
    if (deadline === undefined) return wanted
    const left = Duration.nanos(deadline - (yield* Clock.currentTimeNanos))
    return Duration.max(Duration.zero, Duration.min(wanted, Duration.subtract(left, reserve)))
  })
