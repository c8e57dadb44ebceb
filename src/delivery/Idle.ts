/** How a loop waits that has found nothing to do. */
import { Duration, Effect, Random, Ref } from "effect"

/** Where no wake-up comes, the next work is likely near after the last; then twice as long each time. */
export const idleFirst = Duration.millis(20)
/** After a look that failed: long enough not to press a database that is coming up. */
export const failedWait = Duration.seconds(1)

/** `idleFor` is how long to wait now; it is doubled up to `longest` for the next time. */
export const idleWait = Effect.fnUntraced(function*(
  idleFor: Ref.Ref<Duration.Duration>,
  longest: Duration.Duration,
  woken: Effect.Effect<void>
) {
  const wait = yield* Ref.getAndUpdate(idleFor, (last) => Duration.min(Duration.times(last, 2), longest))
  // A fifth of jitter keeps several workers from asking in step.
  const jittered = Duration.times(wait, 0.8 + 0.4 * (yield* Random.next))
  yield* Effect.raceFirst(Effect.sleep(jittered), woken)
})
