/**
 * The overview for whoever watches it: one look a second for all of them together, and none while nobody watches.
 */
import { Context, Deferred, Duration, Effect, Layer, Schedule, Stream } from "effect"
import { glanceMax, OutboxOverview, type Overview } from "./OutboxOverview.ts"
import { ProjectionControl } from "./ProjectionControl.ts"
import { shownState } from "./ProjectionStatus.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

/** Each holds a connection of the server for as long as a page is open. */
export const viewersMax = 100

const lookEvery = Duration.seconds(1)
const lookWithin = Duration.seconds(5)

/** What a viewer is told: how it is, or that the database does not say. */
export type Moment = { readonly _tag: "Seen"; readonly overview: Overview } | { readonly _tag: "Unavailable" }

export class LiveOverview extends Context.Service<LiveOverview, {
  readonly now: Effect.Effect<Overview, StoreUnavailable>
  /** At once, and then each second. `undefined` when too many watch already, or the program is stopping. */
  readonly watch: Effect.Effect<Stream.Stream<Moment> | undefined>
  readonly viewers: Effect.Effect<number>
  /** From now on nobody watches any more; all who do are let go. */
  readonly dismiss: Effect.Effect<void>
}>()("wordloom/outbox/LiveOverview") {
  static readonly layer = Layer.effect(
    LiveOverview,
    Effect.gen(function*() {
      const outboxes = yield* OutboxOverview
      const control = yield* ProjectionControl
      const dismissed = yield* Deferred.make<void>()
      let viewers = 0

      const now = Effect.zipWith(outboxes.look, control.states, ({ at, projections, workers }, states): Overview => ({
        at,
        count_max: glanceMax,
        projections: projections.map((one) => ({ ...one, ...shownState(one.projection, states) })),
        workers
      })).pipe(Effect.withTracerEnabled(false))

      const moment = now.pipe(
        Effect.timeout(lookWithin),
        Effect.map((overview): Moment => ({ _tag: "Seen", overview })),
        Effect.catchCause(() => Effect.succeed<Moment>({ _tag: "Unavailable" }))
      )
      // A viewer that reads slowly misses moments instead of holding back the others.
      const shared = yield* Stream.fromEffectSchedule(moment, Schedule.spaced(lookEvery)).pipe(
        Stream.share({ capacity: 2, strategy: "sliding", replay: 1 })
      )

      const watched = Stream.unwrap(
        Effect.as(
          Effect.acquireRelease(
            Effect.sync(() => viewers += 1),
            () => Effect.sync(() => viewers -= 1)
          ),
          shared
        )
      ).pipe(Stream.interruptWhen(Deferred.await(dismissed)))

      return LiveOverview.of({
        now,
        watch: Effect.gen(function*() {
          return viewers >= viewersMax || (yield* Deferred.isDone(dismissed)) ? undefined : watched
        }),
        viewers: Effect.sync(() => viewers),
        dismiss: Effect.asVoid(Deferred.succeed(dismissed, undefined))
      })
    })
  )
}
