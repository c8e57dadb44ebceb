/** One turn of a worker: claims as much as its valve admits, and handles what there was. */
import { Clock, Context, type Duration, Effect, Exit, Option, Tracer } from "effect"
import { type Batch, Leases } from "../outbox/Leases.ts"
import type { Projection } from "../outbox/Projection.ts"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import { withoutStack } from "../telemetry/Spans.ts"
import { StoreAttributes } from "../telemetry/StoreAttributes.ts"
import { ClaimWatch } from "./ClaimWatch.ts"
import { DatabaseClock } from "./DatabaseClock.ts"
import { type ClaimFacts, Dispatcher } from "./Dispatcher.ts"
import { Valve } from "./Valve.ts"
import { WorkerIdentity } from "./WorkerIdentity.ts"

export interface WorkerOptions {
  readonly projection: Projection
  /** Batches in flight at once. */
  readonly concurrency: number
  readonly leaseFor: Duration.Duration
  readonly pollInterval: Duration.Duration
  readonly attemptsMax: number
  /** How long a stopping worker may finish what it holds; the rest is given back. */
  readonly drainFor: Duration.Duration
}

export type Turn =
  | { readonly _tag: "Worked"; readonly rows: number }
  | { readonly _tag: "Idle" }
  | { readonly _tag: "Barred"; readonly waitMs: number }

const handle = Effect.fnUntraced(function*(batch: Batch, claim: ClaimFacts) {
  const dispatcher = yield* Dispatcher
  const { deliveries: { length: size }, projection } = batch
  const held = (by: number) => Metrics.inFlight.move({ projection }, by)
  // Whatever is told of the rows, they must not be left to their lease because of it.
  yield* Effect.ignoreCause(
    Effect.andThen(held(size), Metrics.batchSizes.observe({ projection }, size))
  )
  yield* inLoopSpan(batch, claim, dispatcher.dispatch(batch, claim)).pipe(
    Effect.ensuring(Effect.ignoreCause(held(-size)))
  )
})

/**
 * Claims as the valve admits, and handles what there was: the number of rows. Says `more` before, if there is probably
 * more.
 */
const claimed = Effect.fnUntraced(function*<E, R>(
  projection: Projection,
  slot: number,
  claim: (worker: string, limit: number) => Effect.Effect<Batch, E, R>,
  more: Effect.Effect<unknown> = Effect.void
) {
  const valve = yield* Valve
  const watch = yield* ClaimWatch
  const { id: worker } = yield* WorkerIdentity
  const under = yield* valve.admit(slot)
  const asked = Effect.map(Clock.currentTimeMillis, (now) => watch.asked(projection, now))
  if (under._tag === "Barred") return yield* Effect.as(asked, under)
  return yield* Effect.gen(function*() {
    const startedAt = yield* Clock.currentTimeNanos
    const sentAt = yield* Clock.monotonicTimeNanos
    const batch = yield* claim(worker, under.limit)
    const endedAt = yield* Clock.currentTimeNanos
    yield* asked
    const { length } = batch.deliveries
    if (length === 0) return 0
    if (length >= under.limit) yield* more
    const offset = (yield* DatabaseClock).offset(startedAt, endedAt, batch.claimedAt)
    watch.busy(projection, 1)
    yield* Effect.ensuring(
      handle(batch, { startedAt, endedAt, offset, sentAt, under }),
      Effect.andThen(Effect.sync(() => watch.busy(projection, -1)), asked)
    )
    return length
  }).pipe(Effect.ensuring(valve.leave(under)))
})

/** Claims one batch, as large as the valve allows, delivers and settles it. Tests call this. */
export const runOnce = Effect.fnUntraced(function*(
  { leaseFor, projection }: WorkerOptions,
  slot = 0,
  more: Effect.Effect<unknown> = Effect.void
): Effect.fn.Return<Turn, StoreUnavailable, Leases | Dispatcher | Valve | WorkerIdentity> {
  const leases = yield* Leases
  const rows = yield* claimed(
    projection,
    slot,
    (worker, limit) => leases.claim(projection, { worker, limit, leaseFor }),
    more
  )
  if (typeof rows !== "number") return rows
  if (rows > 0) return { _tag: "Worked", rows }
  yield* Metrics.idlePolls.add({ projection })
  return { _tag: "Idle" }
})

/**
 * Handles one row that has killed its workers before, and says whether there was one. Nothing else may run meanwhile.
 */
export const runAlone = Effect.fnUntraced(function*({ leaseFor, projection }: WorkerOptions) {
  const leases = yield* Leases
  const rows = yield* claimed(projection, 0, (worker) => leases.claimAlone(projection, { worker, leaseFor }))
  return typeof rows === "number" && rows > 0
})

/** The claim is told only once it found something: an idle worker leaves no span. */
const inLoopSpan = <A>(batch: Batch, times: Pick<ClaimFacts, "startedAt" | "endedAt">, work: Effect.Effect<A>) =>
  Effect.gen(function*() {
    const tracer = yield* Tracer.Tracer
    const store = Object.entries(yield* StoreAttributes)
    const { projection } = batch
    const reclaimed = batch.deliveries.filter((delivery) => delivery.reclaimed).length
    const begin = (name: string, kind: Tracer.SpanKind, parent: Option.Option<Tracer.AnySpan>) => {
      const span = tracer.span({
        name,
        parent,
        kind,
        annotations: Context.empty(),
        links: [],
        startTime: times.startedAt,
        root: Option.isNone(parent),
        sampled: true
      })
      span.attribute("projection", projection)
      span.attribute("batch_size", batch.deliveries.length)
      return span
    }
    const loop = begin("outbox_worker.loop", "internal", Option.none())
    loop.attribute("worker_id", batch.worker)
    const claim = begin("outbox.claim_batch", "client", Option.some(loop))
    claim.attribute("reclaimed", reclaimed)
    claim.attribute("messaging.operation.type", "receive")
    for (const [key, value] of store) claim.attribute(key, value)
    claim.end(times.endedAt, Exit.void)
    return yield* Effect.onExit(
      Effect.withParentSpan(loop, withoutStack)(work),
      (exit) => Effect.map(Clock.currentTimeNanos, (now) => loop.end(now, Exit.asVoid(exit)))
    )
  })
