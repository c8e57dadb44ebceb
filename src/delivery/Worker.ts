/** The loop that empties one outbox, for as long as its layer lives. */
import {
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Metric,
  Option,
  Random,
  Ref,
  Tracer
} from "effect"
import { type Batch, Leases } from "../outbox/Leases.ts"
import type { Projection } from "../outbox/Projection.ts"
import { WakeUps } from "../outbox/WakeUps.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import { tellLost } from "./AttemptSpans.ts"
import { type ClaimTimes, Dispatcher } from "./Dispatcher.ts"
import { WorkerIdentity } from "./WorkerIdentity.ts"

export interface WorkerOptions {
  readonly projection: Projection
  readonly batchSize: number
  /** Batches in flight at once. */
  readonly concurrency: number
  readonly leaseFor: Duration.Duration
  readonly pollInterval: Duration.Duration
  readonly attemptsMax: number
  /** How long a stopping worker may finish what it holds; the rest is given back. */
  readonly drainFor: Duration.Duration
}

/** Where no wake-up comes, the next work is likely near after the last; then twice as long each time. */
const idleFirst = Duration.millis(20)
const reclaimEvery = Duration.seconds(5)
const reclaimMax = 500
/** After a claim that failed: long enough not to press a database that is coming up. */
const failedWait = Duration.seconds(1)

/** Process clock minus database clock, from a claim's own times: right to half of its round trip. */
const claimTimes = (batch: Batch, startedAt: bigint, endedAt: bigint): ClaimTimes => ({
  startedAt,
  endedAt,
  offset: (startedAt + endedAt) / 2n - BigInt(Math.round(batch.claimedAt)) * 1_000n
})

/** Claims one batch, delivers and settles it, and says how many rows there were. Tests call this. */
export const runOnce = Effect.fnUntraced(function*(options: WorkerOptions) {
  const leases = yield* Leases
  const dispatcher = yield* Dispatcher
  const { id: worker } = yield* WorkerIdentity
  const { projection } = options
  const startedAt = yield* Clock.currentTimeNanos
  const batch = yield* leases.claim(projection, { worker, limit: options.batchSize, leaseFor: options.leaseFor })
  const endedAt = yield* Clock.currentTimeNanos
  const size = batch.deliveries.length
  if (size === 0) {
    yield* Metric.update(Metric.withAttributes(Metrics.idlePolls, { projection }), 1)
    return 0
  }
  const times = claimTimes(batch, startedAt, endedAt)
  yield* Metric.update(Metric.withAttributes(Metrics.batchSizes, { projection }), size)
  const held = Metric.withAttributes(Metrics.inFlight, { projection })
  yield* Metric.modify(held, size)
  yield* inLoopSpan(batch, times, dispatcher.dispatch(batch, times)).pipe(Effect.ensuring(Metric.modify(held, -size)))
  return size
})

/** The claim is told only once it found something: an idle worker leaves no span. */
const inLoopSpan = <A>(batch: Batch, times: ClaimTimes, work: Effect.Effect<A>) =>
  Effect.gen(function*() {
    const tracer = yield* Tracer.Tracer
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
    claim.end(times.endedAt, Exit.void)
    return yield* Effect.onExit(Effect.withParentSpan(work, loop), (exit) =>
      Effect.map(Clock.currentTimeNanos, (now) => loop.end(now, Exit.asVoid(exit))))
  })

/** Frees what dead workers held, and tells of the attempts that were lost. */
export const reclaimOnce = Effect.fnUntraced(function*(options: WorkerOptions) {
  const leases = yield* Leases
  const { projection } = options
  const lost = yield* leases.reclaim(projection, { limit: reclaimMax, attemptsMax: options.attemptsMax })
  if (lost.length === 0) return 0
  const now = yield* Clock.currentTimeNanos
  yield* tellLost(projection, lost, now - BigInt(Math.round(lost[0]!.lostAt)) * 1_000n)
  yield* Metric.update(Metric.withAttributes(Metrics.reclaims, { projection }), lost.length)
  const buried = lost.filter(({ dead }) => dead).length
  const labels = { projection, error_type: "lease_expired" }
  if (buried > 0) yield* Metric.update(Metric.withAttributes(Metrics.deadRows, labels), buried)
  yield* Effect.logWarning("rows were taken back from a worker that never settled them", {
    projection,
    rows: lost.length,
    workers: [...new Set(lost.map(({ worker }) => worker))].slice(0, 10)
  })
  return lost.length
})

const idleWait = Effect.fnUntraced(function*(
  idleFor: Ref.Ref<Duration.Duration>,
  pollInterval: Duration.Duration,
  woken: Effect.Effect<void>
) {
  const wait = yield* Ref.getAndUpdate(idleFor, (last) => Duration.min(Duration.times(last, 2), pollInterval))
  // A fifth of jitter keeps several workers from asking in step.
  const jittered = Duration.times(wait, 0.8 + 0.4 * (yield* Random.next))
  yield* Effect.raceFirst(Effect.sleep(jittered), woken)
})

const loop = Effect.fnUntraced(function*(options: WorkerOptions, stop: Deferred.Deferred<void>) {
  const first = Duration.min(idleFirst, options.pollInterval)
  const idleFor = yield* Ref.make(first)
  const wakeUps = yield* WakeUps
  const turn = Effect.gen(function*() {
    const known = yield* wakeUps.count
    const size = yield* runOnce(options)
    const woken = Effect.raceFirst(wakeUps.beyond(known), Deferred.await(stop))
    yield* size > 0 ? Ref.set(idleFor, first) : idleWait(idleFor, options.pollInterval, woken)
  }).pipe(
    Effect.catchCause((cause) =>
      Effect.andThen(
        Effect.logWarning("an outbox could not be read; trying again", { projection: options.projection }, cause),
        Effect.raceFirst(Effect.sleep(failedWait), Deferred.await(stop))
      )
    )
  )
  while (!(yield* Deferred.isDone(stop))) yield* turn
})

/** Programs launch this. Each loop begins without a parent, so no trace ever grows with the worker's life. */
export const layer = (options: WorkerOptions) =>
  Layer.effectDiscard(
    Effect.gen(function*() {
      const stop = yield* Deferred.make<void>()
      const reclaiming = reclaimOnce(options).pipe(
        Effect.catchCause((cause) => Effect.logWarning("expired leases could not be looked for", cause)),
        Effect.andThen(Effect.sleep(reclaimEvery)),
        Effect.forever
      )
      yield* Effect.forkScoped(reclaiming)
      const slots = yield* Effect.forEach(
        Array.from({ length: options.concurrency }),
        () => Effect.forkScoped(loop(options, stop))
      )
      // Runs before the scope interrupts the loops: first no further claim, then a while to finish what is held.
      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          Deferred.succeed(stop, undefined),
          Fiber.awaitAll(slots).pipe(Effect.interruptible, Effect.timeoutOption(options.drainFor))
        )
      )
    })
  )
