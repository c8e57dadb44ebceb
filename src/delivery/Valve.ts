/**
 * How much a worker may claim now: nothing while the far side refuses everything, less while it has too much to do.
 *
 * One for all slots that drain a projection. Others see it in the database, in a gauge and in the log.
 */
import { Clock, Context, Effect, Layer, Queue, Random, Ref } from "effect"
import type { Projection } from "../outbox/Projection.ts"
import { ProjectionControl } from "../outbox/ProjectionControl.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import * as Breaker from "./Breaker.ts"
import type { Delivered } from "./Destination.ts"
import type { Failure } from "./Failure.ts"
import * as Pressure from "./Pressure.ts"
import { WorkerIdentity } from "./WorkerIdentity.ts"

/** What a slot was let in under; said again when its batch has ended. */
export interface Admission {
  readonly _tag: "Admission"
  readonly limit: number
  readonly breaker: Breaker.Breaker
  readonly pressure: Pressure.Size
}

export interface Barred {
  readonly _tag: "Barred"
  readonly waitMs: number
}

/** How long a slot that is one too many waits before it asks again. */
const slotWaitMs = 1_000

const failures = ({ outcomes }: Delivered): ReadonlyArray<Failure> =>
  [...outcomes.values()].flatMap((outcome) => outcome._tag === "Failed" ? [outcome.failure] : [])

/** A wrong configuration is the same for every row, however many of them it was said of. */
const refusalOf = (delivered: Delivered): Failure | undefined =>
  delivered.refused ?? failures(delivered).find((failure) => failure.class === "configuration")

const signOf = (delivered: Delivered): Pressure.PressureSign | undefined => {
  if (delivered.refused?.class === "throttled") return "throttled"
  if (failures(delivered).some((failure) => failure.class === "throttled")) return "throttled"
  if (delivered.calls.some(({ attributes }) => attributes["status"] === 413)) return "too_large"
  return delivered.refused === undefined ? "clean" : undefined
}

export class Valve extends Context.Service<Valve, {
  /** `slot` counts from 0; under pressure the last ones wait. */
  readonly admit: (slot: number) => Effect.Effect<Admission | Barred>
  /** A delivery has ended; answers whether a failure costs its rows an attempt. */
  readonly note: (under: Admission, delivered: Delivered) => Effect.Effect<boolean>
  /**
   * Whoever was admitted is through, with or without a delivery: a probe that nobody noted may be taken by the next.
   */
  readonly leave: (under: Admission) => Effect.Effect<void>
}>()("wordloom/delivery/Valve") {
  static readonly layer = (projection: Projection, max: Pressure.Size) =>
    Layer.effect(
      Valve,
      Effect.gen(function*() {
        const control = yield* ProjectionControl
        const { id: worker } = yield* WorkerIdentity
        const breaker = yield* Ref.make(Breaker.closed)
        const pressure = yield* Ref.make(Pressure.start(max))
        const nowMs = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))

        const said = yield* Queue.sliding<Breaker.Description>(1)

        /** Only the last state counts, and whoever waits for a connection to say it must not hold up the work. */
        const publish = Effect.gen(function*() {
          const { detail, error_type, retry_in_ms, state } = yield* Queue.take(said)
          const note = state === "closed"
            ? null
            : { state, errorType: error_type ?? "", detail: detail ?? "", retryInMs: retry_in_ms ?? 0 }
          yield* control.tell(projection, worker, note)
        }).pipe(Effect.catchCause((cause) => Effect.logWarning("a breaker could not be told of", cause)))

        const tell = Effect.fnUntraced(function*(to: Breaker.Description) {
          yield* Queue.offer(said, to)
          yield* Metrics.breakerOpen.set({ projection }, to.state === "closed" ? 0 : 1)
          const fields = { projection, error_type: to.error_type, error: to.detail, retry_in_ms: to.retry_in_ms }
          if (to.state === "open") {
            yield* Effect.logError("an outbox is not drained: its far side refuses everything", fields)
          }
          if (to.state === "closed") yield* Effect.logInfo("an outbox is drained again", { projection })
        }, (telling) => Effect.ignoreCause(telling))

        const step = <A>(
          next: (breaker: Breaker.Breaker, now: number) => readonly [answer: A, to: Breaker.Breaker]
        ) => Effect.flatMap(nowMs, (now) => Ref.modify(breaker, (from) => next(from, now)))

        const admit = Effect.fnUntraced(function*(slot: number): Effect.fn.Return<Admission | Barred> {
          const { batch, slots } = yield* Ref.get(pressure)
          if (slot >= slots) return { _tag: "Barred", waitMs: slotWaitMs }
          const asked = yield* step((from, now) => {
            const asked = Breaker.ask(from, now)
            return [asked, asked.breaker]
          })
          if (typeof asked.permit === "object") return { _tag: "Barred", waitMs: asked.permit.waitMs }
          const limit = asked.permit === "probe" ? 1 : batch
          return { _tag: "Admission", limit, breaker: asked.breaker, pressure: { batch, slots } }
        })

        const note = Effect.fnUntraced(function*(under: Admission, delivered: Delivered) {
          const failure = refusalOf(delivered)
          // Rows that were given back untried say nothing of the far side.
          const isUntried = [...delivered.outcomes.values()].every(({ _tag }) => _tag === "Interrupted")
          if (failure === undefined && isUntried) return true
          const jitter = yield* Random.next
          const end: Breaker.BatchEnd = failure === undefined
            ? { _tag: "Answered" }
            : { _tag: "Refused", failure, under: under.breaker }
          const sign = signOf(delivered)
          if (sign !== undefined) yield* Ref.update(pressure, (from) => Pressure.note(from, sign, max, under.pressure))
          const { counts, description, changed } = yield* step((from, now) => {
            const to = Breaker.note(from, end, now, Breaker.breakerPolicy, jitter)
            const counts = end._tag === "Answered" || Breaker.counts(from, end)
            return [{ counts, description: Breaker.describe(to, now), changed: from._tag !== to._tag }, to]
          })
          if (changed) yield* tell(description)
          return counts
        })

        // A series that begins with the first refusal has no 0 that an alert could compare it with.
        yield* Effect.ignoreCause(Metrics.breakerOpen.set({ projection }, 0))
        yield* Effect.forkScoped(Effect.forever(publish))
        return Valve.of({
          admit,
          note,
          leave: (under) => step((from, now) => [undefined, Breaker.giveUpProbe(from, now, under.breaker)])
        })
      })
    )
}
