/**
 * Lets whoever wrote something wait until searches find it.
 *
 * All that wait share their looks at the outbox and their refreshes of the index: what it costs hardly grows with how
 * many they are, and nothing is asked while nobody waits.
 */
import { Clock, Context, Deferred, Duration, Effect, Layer } from "effect"
import type { EntityId } from "../domain/Entity.ts"
import { DeliveryStatus, type Version } from "../outbox/DeliveryStatus.ts"
import { type visibleResults, visibleWait } from "../telemetry/Metrics.ts"
import { withoutStack } from "../telemetry/Spans.ts"
import { SearchIndex } from "./SearchIndex.ts"
import { together } from "./Together.ts"

/** How a wait ends. `unavailable`: the database or the index did not answer; `crowded`: too many wait already. */
type Result = typeof visibleResults[number]

/** As many as the server takes connections. */
export const waitersMax = 10_000

/** Who would not wait at all has one look, and a refresh if that found the row gone: within this time. */
const onceWithin = Duration.seconds(1)

/**
 * Until the next look of who has waited for so long. An idle worker has delivered after two to five milliseconds; what
 * takes longer is looked for ever less often, so that a look comes late by no more than half of the wait, and at round
 * times, so that all who wait for long look at once.
 */
const pauseAfter = (waitedMs: number, now: number) => {
  const pause = Math.min(50, Math.max(2, waitedMs / 2))
  return Duration.millis(pause - now % pause)
}

export class Visibility extends Context.Service<Visibility, {
  /**
   * Whether searches find this version of the entity or a later one, or no longer find what was removed: `true` as soon
   * as that is so, `false` after `patience` or as soon as it is known that it will not be. Never fails.
   */
  readonly await: (id: EntityId, version: number, patience: Duration.Duration) => Effect.Effect<boolean>
  /** From now on nobody waits any more: all who do are told `false`. */
  readonly dismiss: Effect.Effect<void>
}>()("wordloom/search/Visibility") {
  static readonly layer = Layer.effect(
    Visibility,
    Effect.gen(function*() {
      const index = yield* SearchIndex
      const status = yield* DeliveryStatus
      const look = yield* together((versions: ReadonlyArray<Version>) => status.look("search", versions))
      // What is shared is told in nobody's trace.
      const refreshed = Effect.withTracerEnabled(index.refresh, false)
      const refresh = yield* together((all: ReadonlyArray<void>) => Effect.as(refreshed, all))
      const dismissed = yield* Deferred.make<void>()
      let waiting = 0

      const looking = Effect.fnUntraced(function*(asked: Version, patienceMs: number) {
        const began = yield* Clock.currentTimeMillis
        for (;;) {
          const state = yield* look(asked)
          if (state === "dead") return "dead"
          if (state === "delivered") return yield* Effect.as(refresh(), "visible" as const)
          const now = yield* Clock.currentTimeMillis
          if (now - began >= patienceMs) return "timeout"
          yield* Effect.sleep(pauseAfter(now - began, now))
        }
      })

      const outcome = (asked: Version, patience: Duration.Duration) =>
        looking(asked, Duration.toMillis(patience)).pipe(
          Effect.timeoutOrElse({
            duration: Duration.max(patience, onceWithin),
            orElse: () => Effect.succeed("timeout" as const)
          }),
          Effect.raceFirst(Effect.as(Deferred.await(dismissed), "stopping" as const)),
          Effect.catchCause(() => Effect.succeed("unavailable" as const))
        ) as Effect.Effect<Result>

      const counted = (wait: Effect.Effect<Result>) =>
        Effect.suspend(() => {
          if (waiting >= waitersMax) return Effect.succeed<Result>("crowded")
          waiting += 1
          return Effect.ensuring(wait, Effect.sync(() => waiting -= 1))
        })

      const told = (result: Result, waited: Duration.Duration) =>
        Effect.andThen(
          Effect.annotateCurrentSpan({ result }),
          visibleWait.observe({ result }, Duration.toSeconds(waited))
        )

      return Visibility.of({
        await: (id, version, patience) =>
          Effect.timed(counted(outcome({ id, version }, patience))).pipe(
            Effect.tap(([waited, result]) => Effect.ignoreCause(told(result, waited))),
            Effect.map(([, result]) => result === "visible"),
            Effect.withSpan("search.wait_visible", { attributes: { step: "search_wait_visible" } }, withoutStack),
            // Not even a tracer that throws makes of a write that is done one that is not.
            Effect.catchCause(() => Effect.succeed(false))
          ),
        dismiss: Effect.asVoid(Deferred.succeed(dismissed, undefined))
      })
    })
  )
}
