/** The loop that empties one outbox, for as long as its layer lives. */
import { Clock, Deferred, Duration, Effect, Fiber, Latch, Layer, Queue, Ref, Semaphore } from "effect"
import { Leases } from "../outbox/Leases.ts"
import { WakeUps } from "../outbox/WakeUps.ts"
import { ClaimWatch } from "./ClaimWatch.ts"
import { failedWait, idleFirst, idleWait } from "./Idle.ts"
import { reclaimOnce } from "./Reclaim.ts"
import { runAlone, runOnce, type WorkerOptions } from "./Turn.ts"

/** One slot's look is enough while nothing is there; the others only make sure that it need not be the first's. */
const othersPoll = 5
/** What is committed late was preceded by work. */
const sweepEvery = { busy: Duration.seconds(1), idle: Duration.seconds(5) }
const barredMaxMs = 1_000

const pause = (wait: Duration.Input, until: Effect.Effect<void>) => Effect.raceFirst(Effect.sleep(wait), until)

/** What the slots of one worker share. */
interface Shared {
  readonly stop: Deferred.Deferred<void>
  /** A permit per slot; whoever runs a row alone takes them all. */
  readonly room: Semaphore.Semaphore
  /** Closed while somebody waits for all of the room, or the slots would never leave it. */
  readonly gate: Latch.Latch
  /** That there may be work: one idle slot looks, and tells the next one if it found more than it could take. */
  readonly hints: Queue.Queue<void>
  /** There was work since the last sweep. */
  readonly worked: Ref.Ref<boolean>
}

const loop = Effect.fnUntraced(function*(options: WorkerOptions, slot: number, shared: Shared) {
  const { gate, hints, room, stop, worked } = shared
  const first = Duration.min(idleFirst, options.pollInterval)
  const longest = Duration.times(options.pollInterval, slot === 0 ? 1 : othersPoll)
  const idleFor = yield* Ref.make(first)
  const more = Queue.offer(hints, undefined)
  const stopped = Deferred.await(stop)
  const turn = Effect.gen(function*() {
    yield* Effect.raceFirst(gate.await, stopped)
    // Whoever waited for room behind a row alone may have been told to stop meanwhile.
    const unlessStopped = Effect.flatMap(
      Deferred.isDone(stop),
      (isDone) => isDone ? Effect.undefined : runOnce(options, slot, more)
    )
    const done = yield* room.withPermits(1)(unlessStopped)
    if (done === undefined) return
    if (done._tag === "Worked") return yield* Effect.andThen(Ref.set(worked, true), Ref.set(idleFor, first))
    // Another slot's answer may open the way sooner.
    if (done._tag === "Barred") return yield* pause(Math.min(done.waitMs, barredMaxMs), stopped)
    yield* idleWait(idleFor, longest, Effect.raceFirst(Queue.take(hints), stopped))
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

/** A hint that comes while all slots are busy is kept for the first that is not. */
const listen = Effect.fnUntraced(function*({ hints }: Shared) {
  const wakeUps = yield* WakeUps
  for (;;) {
    const known = yield* wakeUps.count
    yield* Queue.offer(hints, undefined)
    yield* wakeUps.beyond(known)
  }
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
const sweep = Effect.fnUntraced(function*({ projection }: WorkerOptions, { worked }: Shared) {
  const leases = yield* Leases
  const [took] = yield* Effect.timed(leases.sweep(projection))
  const every = (yield* Ref.getAndSet(worked, false)) ? sweepEvery.busy : sweepEvery.idle
  yield* Effect.sleep(Duration.max(every, Duration.times(took, 50)))
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
      const { concurrency, leaseFor, projection } = options // From now on it is expected to ask.
      ;(yield* ClaimWatch).asked(projection, yield* Clock.currentTimeMillis)
      const shared = {
        stop: yield* Deferred.make<void>(),
        room: yield* Semaphore.make(concurrency),
        gate: yield* Latch.make(true),
        hints: yield* Queue.sliding<void>(1),
        worked: yield* Ref.make(true)
      }
      const mending = Effect.andThen(mend(options, shared), Effect.sleep(mendEvery(leaseFor)))
      yield* forever("expired leases could not be looked for", mending)
      yield* forever("late rows could not be looked for", sweep(options, shared))
      yield* forever("hints could not be heard", listen(shared))
      const slots = yield* Effect.forEach(
        Array.from({ length: concurrency }),
        (_, slot) => Effect.forkScoped(loop(options, slot, shared))
      )
      // Runs before the scope interrupts the loops: first no further claim, then a while to finish what is held.
      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          Deferred.succeed(shared.stop, undefined),
          // A slot gives back its room when it has ended, and so does whoever runs a row alone.
          Effect.andThen(Fiber.awaitAll(slots), shared.room.take(concurrency)).pipe(
            Effect.interruptible,
            Effect.timeoutOption(options.drainFor)
          )
        )
      )
    })
  )
