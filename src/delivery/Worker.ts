/** The loop that empties one outbox, for as long as its layer lives. */
import {
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Latch,
  Layer,
  Metric,
  Option,
  Random,
  Ref,
  Semaphore,
  Tracer
} from "effect"
import { type Batch, Leases } from "../outbox/Leases.ts"
import type { Projection } from "../outbox/Projection.ts"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"
import { WakeUps } from "../outbox/WakeUps.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import { tellLost } from "./AttemptSpans.ts"
import { DatabaseClock } from "./DatabaseClock.ts"
import { type ClaimFacts, Dispatcher } from "./Dispatcher.ts"
import { type Admission, Valve } from "./Valve.ts"
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
const sweepEvery = Duration.seconds(1)
/** After a claim that failed: long enough not to press a database that is coming up. */
const failedWait = Duration.seconds(1)

export type Turn =
  | { readonly _tag: "Worked"; readonly rows: number }
  | { readonly _tag: "Idle" }
  | { readonly _tag: "Barred"; readonly waitMs: number }

const handle = Effect.fnUntraced(function*(batch: Batch, claim: ClaimFacts) {
  const dispatcher = yield* Dispatcher
  const { deliveries: { length: size }, projection } = batch
  yield* Metric.update(Metric.withAttributes(Metrics.batchSizes, { projection }), size)
  const held = Metric.withAttributes(Metrics.inFlight, { projection })
  yield* Metric.modify(held, size)
  yield* inLoopSpan(batch, claim, dispatcher.dispatch(batch, claim)).pipe(Effect.ensuring(Metric.modify(held, -size)))
})

/** Claims by `claim`, and handles what there was. */
const claimed = Effect.fnUntraced(function*<E, R>(
  claim: Effect.Effect<Batch, E, R>,
  under: Admission
) {
  const startedAt = yield* Clock.currentTimeNanos
  const sentAt = yield* Clock.monotonicTimeNanos
  const batch = yield* claim
  const endedAt = yield* Clock.currentTimeNanos
  const { length } = batch.deliveries
  if (length === 0) return 0
  const offset = (yield* DatabaseClock).offset(startedAt, endedAt, batch.claimedAt)
  yield* handle(batch, { startedAt, endedAt, offset, sentAt, under })
  return length
})

/** Claims one batch, as large as the valve allows, delivers and settles it. Tests call this. */
export const runOnce = Effect.fnUntraced(function*(options: WorkerOptions, slot = 0): Effect.fn.Return<
  Turn,
  StoreUnavailable,
  Leases | Dispatcher | Valve | WorkerIdentity
> {
  const leases = yield* Leases
  const valve = yield* Valve
  const { id: worker } = yield* WorkerIdentity
  const { leaseFor, projection } = options
  const under = yield* valve.admit(slot)
  if (under._tag === "Barred") return under
  const rows = yield* claimed(leases.claim(projection, { worker, limit: under.limit, leaseFor }), under).pipe(
    Effect.ensuring(valve.leave(under))
  )
  if (rows > 0) return { _tag: "Worked", rows }
  yield* Metric.update(Metric.withAttributes(Metrics.idlePolls, { projection }), 1)
  return { _tag: "Idle" }
})

/**
 * Handles one row that has killed its workers before, and says whether there was one. Nothing else may run meanwhile.
 */
export const runAlone = Effect.fnUntraced(function*(options: WorkerOptions) {
  const leases = yield* Leases
  const valve = yield* Valve
  const { id: worker } = yield* WorkerIdentity
  const under = yield* valve.admit(0)
  if (under._tag === "Barred") return false
  const rows = yield* claimed(leases.claimAlone(options.projection, { worker, leaseFor: options.leaseFor }), under)
    .pipe(
      Effect.ensuring(valve.leave(under))
    )
  return rows > 0
})

/** The claim is told only once it found something: an idle worker leaves no span. */
const inLoopSpan = <A>(batch: Batch, times: Pick<ClaimFacts, "startedAt" | "endedAt">, work: Effect.Effect<A>) =>
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
    return yield* Effect.onExit(
      Effect.withParentSpan(work, loop),
      (exit) => Effect.map(Clock.currentTimeNanos, (now) => loop.end(now, Exit.asVoid(exit)))
    )
  })

/** Frees what one dead claim held, and tells of the attempts that were lost. */
export const reclaimOnce = Effect.fnUntraced(function*(options: WorkerOptions) {
  const leases = yield* Leases
  const { projection } = options
  const lost = yield* leases.reclaim(projection, { attemptsMax: options.attemptsMax })
  if (lost.length === 0) return 0
  const now = yield* Clock.currentTimeNanos
  yield* tellLost(projection, lost, now - BigInt(Math.round(lost[0]!.lostAt)) * 1_000n)
  yield* Metric.update(Metric.withAttributes(Metrics.reclaims, { projection }), lost.length)
  for (const error_type of ["crash_loop", "lease_expired"] as const) {
    const buried = lost.filter(({ fate }) => fate === error_type).length
    if (buried > 0) yield* Metric.update(Metric.withAttributes(Metrics.deadRows, { projection, error_type }), buried)
  }
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

const pause = (wait: Duration.Input, until: Effect.Effect<void>) => Effect.raceFirst(Effect.sleep(wait), until)

/** What the slots of one worker share. */
interface Shared {
  readonly stop: Deferred.Deferred<void>
  /** A permit per slot; whoever runs a row alone takes them all. */
  readonly room: Semaphore.Semaphore
  /** Closed while somebody waits for all of the room, or the slots would never leave it. */
  readonly gate: Latch.Latch
}

const loop = Effect.fnUntraced(function*(options: WorkerOptions, slot: number, { gate, room, stop }: Shared) {
  const first = Duration.min(idleFirst, options.pollInterval)
  const idleFor = yield* Ref.make(first)
  const wakeUps = yield* WakeUps
  const stopped = Deferred.await(stop)
  const turn = Effect.gen(function*() {
    yield* Effect.raceFirst(gate.await, stopped)
    const known = yield* wakeUps.count
    const done = yield* room.withPermits(1)(runOnce(options, slot))
    if (done._tag === "Worked") return yield* Ref.set(idleFor, first)
    if (done._tag === "Barred") return yield* pause(done.waitMs, stopped)
    yield* idleWait(idleFor, options.pollInterval, Effect.raceFirst(wakeUps.beyond(known), stopped))
  }).pipe(
    Effect.catchCause((cause) =>
      Effect.andThen(
        Effect.logWarning("an outbox could not be read; trying again", { projection: options.projection }, cause),
        pause(failedWait, stopped)
      )
    )
  )
  while (!(yield* Deferred.isDone(stop))) yield* turn
})

/** Takes back what dead workers held, and tries what may have killed them, one by one. */
const mend = Effect.fnUntraced(function*(options: WorkerOptions, { gate, room, stop }: Shared) {
  while ((yield* reclaimOnce(options)) > 0);
  const alone = Effect.gen(function*() {
    while (!(yield* Deferred.isDone(stop)) && (yield* runAlone(options)));
  })
  const { hasAlone } = yield* Leases
  if (!(yield* hasAlone(options.projection))) return
  yield* Effect.andThen(gate.close, room.withPermits(options.concurrency)(alone)).pipe(Effect.ensuring(gate.open))
})

/** As often as needed to be at a lost lease within a sixth of its length, but not more than twice a second. */
const mendEvery = (leaseFor: Duration.Duration) =>
  Duration.clamp(Duration.times(leaseFor, 1 / 6), { minimum: Duration.millis(500), maximum: Duration.seconds(5) })

/** A look that takes long, because dead rows lie in its way, is had so seldom that it takes a fiftieth of the time. */
const sweep = Effect.fnUntraced(function*({ projection }: WorkerOptions) {
  const leases = yield* Leases
  const [took] = yield* Effect.timed(leases.sweep(projection))
  yield* Effect.sleep(Duration.max(sweepEvery, Duration.times(took, 50)))
})

const forever = <E, R>(what: string, once: Effect.Effect<void, E, R>) =>
  once.pipe(
    Effect.catchCause((cause) => Effect.andThen(Effect.logWarning(what, cause), Effect.sleep(failedWait))),
    Effect.forever,
    Effect.forkScoped
  )

/** Programs launch this. Each loop begins without a parent, so no trace ever grows with the worker's life. */
export const layer = (options: WorkerOptions) =>
  Layer.effectDiscard(
    Effect.gen(function*() {
      const { concurrency, leaseFor } = options
      const shared = {
        stop: yield* Deferred.make<void>(),
        room: yield* Semaphore.make(concurrency),
        gate: yield* Latch.make(true)
      }
      const mending = Effect.andThen(mend(options, shared), Effect.sleep(mendEvery(leaseFor)))
      yield* forever("expired leases could not be looked for", mending)
      yield* forever("late rows could not be looked for", sweep(options))
      const slots = yield* Effect.forEach(
        Array.from({ length: concurrency }),
        (_, slot) => Effect.forkScoped(loop(options, slot, shared))
      )
      // Runs before the scope interrupts the loops: first no further claim, then a while to finish what is held.
      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          Deferred.succeed(shared.stop, undefined),
          Fiber.awaitAll(slots).pipe(Effect.interruptible, Effect.timeoutOption(options.drainFor))
        )
      )
    })
  )
