/**
 * The queue of spans to the collector: bounded, counted, and open about how much room it has left.
 *
 * One export is in flight at a time, and none lasts longer than its time-out. What the far side may take later is sent
 * again, after a wait; what it will never take is dropped. Nothing here throws, and nobody waits for it but who ends.
 */
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base"
import { Clock, Deferred, type Duration, Effect, Latch, Random, type Scope } from "effect"
import type { SettingValues } from "../../src/settings/Settings.ts"
import * as Breaker from "./ExportBreaker.ts"
import { type Accepted, classify, type ExportFailure, type ExportOutcome, type FailureFacts } from "./ExportFailure.ts"
import type { FinishedSpan } from "./FinishedSpan.ts"
import type { SpanSink } from "./OtlpHttp.ts"
import * as SpanBuffer from "./SpanBuffer.ts"
import * as SpanCounts from "./SpanCounts.ts"
import { telemetryFailed } from "./TelemetryErrors.ts"

export interface SpanQueue {
  /** Takes a span that is to be exported, or counts it as dropped. */
  readonly offer: (span: FinishedSpan) => void
  /** Whether that many ordinary spans would find room; if not, they count as dropped. */
  readonly hasRoom: (spans: number) => boolean
  /** Waiting or being sent. */
  readonly held: () => SpanBuffer.Bounds
  /** Ends once all that was there has been sent, or has failed. */
  readonly flush: Effect.Effect<void>
}

/** Whatever the spans are: what waits, together with what is sent, takes no more. */
export const bytesMax = 8 * 1_024 * 1_024

/**
 * So many at a time while there is room. Making a batch's text holds up everything else in the process: small batches
 * keep that below a millisecond, large ones are cheaper and keep up with more.
 */
const smallBatch = 128

/** So often the same spans are sent. */
const attemptsMax = 4

/** An export that was aborted is given up if it does not end. */
const abortedFor = "1 second"

const hung: FailureFacts = { error: undefined, isLate: true }

type Settings = Pick<SettingValues, "spanQueueMax" | "spanBatchMax" | "spanDelayMs" | "exportTimeoutMs">

const begin = (sink: SpanSink, ...[spans, done]: Parameters<SpanSink["export"]>) => {
  try {
    sink.export(spans, done)
  } catch (error) {
    telemetryFailed(error)
    done({ error, isLate: false })
  }
}

/** One export, which ends in any case. */
const exportOnce = Effect.fnUntraced(function*(
  sink: SpanSink,
  spans: ReadonlyArray<ReadableSpan>,
  timeoutMs: number
): Effect.fn.Return<ExportOutcome> {
  const ended = yield* Deferred.make<Accepted | FailureFacts>()
  begin(sink, spans, (end) => Deferred.doneUnsafe(ended, Effect.succeed(end)))
  const aborted = Effect.suspend(() => {
    sink.abort()
    return Effect.timeoutOrElse(Deferred.await(ended), {
      duration: abortedFor,
      orElse: () => Effect.succeed(hung)
    })
  })
  const end = yield* Effect.timeoutOrElse(Deferred.await(ended), { duration: timeoutMs, orElse: () => aborted })
  return "_tag" in end ? end : classify(end, yield* Clock.currentTimeMillis)
})

const nowMs = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000n) / 1e3)

/** What the queue has and is about. */
const stateOf = ({ spanBatchMax, spanQueueMax }: Settings) => ({
  buffer: SpanBuffer.make({ spans: spanQueueMax, bytes: bytesMax }),
  batchMax: Math.min(spanBatchMax, spanQueueMax),
  /** More than that waiting is too much for small batches. */
  calmMax: spanQueueMax / 4,
  /** Halved while the far side finds batches too large. */
  size: Math.min(spanBatchMax, spanQueueMax),
  /** Below what was refused as too large; it rises slowly, since spans differ. */
  ceiling: Math.min(spanBatchMax, spanQueueMax),
  breaker: Breaker.closed,
  /** How often the oldest spans have been sent. */
  attempts: 0,
  isClosed: false,
  /** Whoever waits for everything to be sent; meanwhile nothing waits for the far side to get well. */
  flushing: new Set<Deferred.Deferred<void>>(),
  /** Open while there is something to send, while there is a full batch, and while somebody waits. */
  some: Latch.makeUnsafe(),
  full: Latch.makeUnsafe(),
  hurry: Latch.makeUnsafe()
})

type State = ReturnType<typeof stateOf>

/** Nobody else is served while a program ends, so nothing is held up then. */
const nextSize = ({ buffer, calmMax, flushing, size }: State) =>
  flushing.size > 0 || buffer.waiting() > calmMax ? size : Math.min(size, smallBatch)

const drop = ({ buffer }: State, batch: SpanBuffer.SpanBatch, reason: SpanCounts.DropReason) => {
  buffer.settle(batch)
  SpanCounts.released(batch.spans.length)
  SpanCounts.dropped(reason, batch.spans.length)
}

const failed = (state: State, batch: SpanBuffer.SpanBatch, failure: ExportFailure) => {
  SpanCounts.exportFailed(failure.reason)
  if (failure.reason === "too_large" && batch.spans.length > 1) {
    state.ceiling = batch.spans.length - 1
    state.size = Math.ceil(batch.spans.length / 2)
    return state.buffer.giveBack(batch)
  }
  if (failure.isRetryable && ++state.attempts < attemptsMax && state.flushing.size === 0) {
    return state.buffer.giveBack(batch)
  }
  state.attempts = 0
  drop(state, batch, "export_failed")
}

const succeeded = (state: State, batch: SpanBuffer.SpanBatch, rejected: number) => {
  state.attempts = 0
  state.ceiling = Math.min(state.batchMax, state.ceiling + 1 / 64)
  state.size = Math.min(Math.floor(state.ceiling), state.size + Math.ceil(state.size / 16))
  state.buffer.settle(batch)
  SpanCounts.released(batch.spans.length)
  SpanCounts.exported(batch.spans.length - rejected)
  SpanCounts.dropped("rejected", rejected)
}

const send = Effect.fnUntraced(function*(state: State, sink: SpanSink, timeoutMs: number) {
  const batch = state.buffer.take(nextSize(state))
  const outcome = yield* exportOnce(sink, batch.spans, timeoutMs).pipe(
    Effect.onInterrupt(() => Effect.sync(() => drop(state, batch, "stopped")))
  )
  // Who finds a batch too large is well, and takes the halves of it at once.
  const isHalved = outcome._tag === "Failed" && outcome.reason === "too_large" && batch.spans.length > 1
  if (!isHalved) state.breaker = Breaker.after(state.breaker, outcome, yield* nowMs, yield* Random.next)
  if (outcome._tag === "Accepted") succeeded(state, batch, outcome.rejected)
  else failed(state, batch, outcome)
})

const settled = Effect.fnUntraced(function*(state: State) {
  const { buffer, flushing, full, hurry, some } = state
  if (buffer.waiting() < nextSize(state)) full.closeUnsafe()
  if (buffer.waiting() > 0) return
  some.closeUnsafe()
  hurry.closeUnsafe()
  for (const done of flushing) yield* Deferred.succeed(done, undefined)
  flushing.clear()
})

/** Waits until a batch is full, or until its first span has waited for long enough; then sends one. */
const turn = Effect.fnUntraced(function*(state: State, sink: SpanSink, settings: Settings) {
  yield* state.some.await
  yield* Effect.sleep(settings.spanDelayMs).pipe(
    Effect.raceFirst(Effect.raceFirst(state.full.await, state.hurry.await))
  )
  const wait = Breaker.waitMs(state.breaker, yield* nowMs)
  if (wait > 0) yield* Effect.raceFirst(Effect.sleep(wait), state.hurry.await)
  // Not in the middle of the request whose span made the batch full.
  yield* Effect.yieldNow
  yield* send(state, sink, settings.exportTimeoutMs)
  yield* settled(state)
})

const flushOf = (state: State) =>
  Effect.gen(function*() {
    if (state.buffer.held().spans === 0) return
    const done = yield* Deferred.make<void>()
    state.flushing.add(done)
    state.hurry.openUnsafe()
    yield* Effect.ensuring(Deferred.await(done), Effect.sync(() => state.flushing.delete(done)))
  })

/** Sends what is there, for as long as `flushFor`. */
const finish = (state: State, flushFor: Duration.Input) =>
  Effect.suspend(() => {
    state.isClosed = true
    return Effect.timeoutOption(Effect.interruptible(flushOf(state)), flushFor)
  })

/** Drops what is left. */
const close = (state: State, sink: SpanSink) =>
  Effect.suspend(() => {
    drop(state, state.buffer.take(Number.MAX_SAFE_INTEGER), "stopped")
    sink.abort()
    return Effect.tryPromise(sink.shutdown).pipe(
      Effect.timeoutOption(abortedFor),
      Effect.catchCause((cause) => Effect.sync(() => telemetryFailed(cause)))
    )
  })

/** Sends for as long as the scope lives, and `flushFor` longer. */
export const make = Effect.fnUntraced(function*(
  sink: SpanSink,
  settings: Settings,
  flushFor: Duration.Input
): Effect.fn.Return<SpanQueue, never, Scope.Scope> {
  const state = stateOf(settings)
  const { buffer, full, some } = state
  yield* Effect.addFinalizer(() => close(state, sink))
  yield* turn(state, sink, settings).pipe(
    Effect.catchCause((cause) => Effect.sync(() => telemetryFailed(cause))),
    Effect.forever,
    Effect.withTracerEnabled(false),
    Effect.forkScoped
  )
  // The scope closes in the opposite order: the loop goes on meanwhile.
  yield* Effect.addFinalizer(() => finish(state, flushFor))
  return {
    offer: (span) => {
      const refused = state.isClosed ? "stopped" : buffer.add(span)
      if (refused !== undefined) return SpanCounts.dropped(refused, 1)
      SpanCounts.held(1)
      some.openUnsafe()
      if (buffer.waiting() >= nextSize(state)) full.openUnsafe()
    },
    hasRoom: (wanted) => {
      const hasRoom = buffer.hasRoom(wanted)
      if (!hasRoom) SpanCounts.dropped("queue_full", wanted)
      return hasRoom
    },
    held: buffer.held,
    flush: flushOf(state)
  }
})
