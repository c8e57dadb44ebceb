/** Consumes the bus and tells every gateway that holds members of the session; for as long as its layer lives. */
import { Clock, Deferred, Duration, Effect, Exit, Fiber, Layer, Random, type Tracer } from "effect"
import { type Backoff, delayMs } from "../domain/Backoff.ts"
import { StoreUnavailable } from "../outbox/StoreUnavailable.ts"
import { type Carrier, received } from "../telemetry/Carriers.ts"
import { CurrentRequest } from "../telemetry/CurrentRequest.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import { SpanError } from "../telemetry/SpanFailure.ts"
import { withoutStack } from "../telemetry/Spans.ts"
import { TraceCarrier } from "../telemetry/TraceCarrier.ts"
import * as FirstDeliveries from "./FirstDeliveries.ts"
import { type CarriedTrace, MessageBus, messageId, type Received, topic } from "./MessageBus.ts"
import { type Gateway, Presence } from "./Presence.ts"
import { Push } from "./Push.ts"
import { PushFailed } from "./RealtimeErrors.ts"
import type { SessionMessage } from "./Session.ts"

/** Loops that take and push side by side, and messages that each takes at once. */
const loops = 4
const batchMax = 64
/** More than fit into the time until a gateway that is silent counts as gone. */
export const attemptsMax = 20
const backoff: Backoff = { baseMs: 250, capMs: 5_000 }

/** The header wins; the field of the message is for whoever publishes without headers. */
export const natsCarrier: Carrier<CarriedTrace> = {
  name: "nats",
  write: ({ traceparent, tracestate }) => ({
    headers: { traceparent: [traceparent], ...(tracestate === null ? {} : { tracestate: [tracestate] }) },
    field: traceparent
  }),
  read: ({ field, headers }) => ({
    traceparent: headers["traceparent"] ?? (field === undefined ? [] : [field]),
    tracestate: headers["tracestate"] ?? []
  })
}

const pushOne = Effect.fnUntraced(function*(gateway: Gateway, message: SessionMessage) {
  const push = yield* Push
  const carrier = yield* TraceCarrier
  const told = Effect.gen(function*() {
    const span = yield* Effect.option(Effect.currentSpan)
    const trace = span._tag === "Some" ? carrier.inject(span.value) : undefined
    const users = yield* push.push(gateway, message, trace ?? null)
    yield* Effect.annotateCurrentSpan("user_count", users)
  }).pipe(
    Effect.withSpan("task.push.gateway", {
      kind: "client",
      attributes: { gateway_id: gateway.gateway_id, session_id: message.session_id, "rpc.system.name": "effect_rpc" }
    }, withoutStack),
    // Its clients are on their way to another gateway, and get there what they miss.
    Effect.catchIf(
      (error): error is PushFailed => error instanceof PushFailed && error.why === "draining",
      () => Effect.void
    )
  )
  const exit = yield* Effect.exit(told)
  const result = Exit.isSuccess(exit) ? "ok" : "failed"
  yield* Metrics.realtimePushes.add({ result })
  yield* exit
})

const deliver = Effect.fnUntraced(function*(message: SessionMessage, gateways: ReadonlyArray<Gateway>) {
  yield* Effect.annotateCurrentSpan({ gateways: gateways.length })
  const exits = yield* Effect.forEach(gateways, (gateway) => Effect.exit(pushOne(gateway, message)), {
    concurrency: "unbounded"
  })
  const now = yield* Clock.currentTimeMillis
  yield* Metrics.realtimeLatency.observe({}, Math.max(0, (now - Date.parse(message.at)) / 1_000))
  yield* Exit.asVoidAll(exits)
})

/** Fails, so that its trace is kept. */
const bury = (one: Received, reason: string, type: "message_unreadable" | "attempts_exhausted") =>
  Effect.gen(function*() {
    yield* Effect.annotateCurrentSpan("error.type", type)
    yield* Effect.logError("a message was put aside", { reason, attempt: one.attempt })
    yield* one.bury(reason)
    yield* Metrics.realtimeBuried.add({})
    return yield* Effect.fail(new SpanError(reason))
  })

const settle = Effect.fnUntraced(function*(one: Received, exit: Exit.Exit<void, unknown>) {
  if (Exit.isSuccess(exit)) return yield* one.done
  const wait = delayMs(backoff, one.attempt, yield* Random.next)
  yield* Effect.logWarning("a push is tried again", { attempt: one.attempt, retry_in_ms: wait }, exit.cause)
  yield* one.again(wait)
})

const consumeOptions = (one: Received, parent: Tracer.ExternalSpan | undefined) => ({
  kind: "consumer" as const,
  ...(parent === undefined ? { root: true } : { parent }),
  attributes: {
    "mq.topic": topic,
    "messaging.operation.type": "process",
    "messaging.destination.name": topic,
    attempt: one.attempt,
    ...(one.attempt > 1 ? { redelivered: true } : {}),
    ...(one.message === undefined
      ? {}
      : { session_id: one.message.session_id, "messaging.message.id": messageId(one.message) })
  }
})

/** A message that comes again: the attempts before stand beside this one. */
const linked = ({ attempt, message }: Received, first: FirstDeliveries.FirstDeliveries) =>
  Effect.map(Effect.option(Effect.currentSpan), (span) => {
    if (span._tag === "None" || message === undefined) return
    const before = first.met(messageId(message), attempt, span.value)
    if (before !== undefined) span.value.addLinks([{ span: before, attributes: { attempt: 1 } }])
  })

/** Never fails: what the bus does not hear of comes again. */
const consume = Effect.fnUntraced(function*(
  one: Received,
  gateways: ReadonlyArray<Gateway> | undefined,
  first: FirstDeliveries.FirstDeliveries
) {
  const context = yield* received("nats", natsCarrier.read(one.trace))
  const parent = (yield* TraceCarrier).extract(context)
  const { message } = one
  const requestId = message?.request_id ?? null
  yield* Effect.gen(function*() {
    yield* linked(one, first)
    if (message === undefined) return yield* bury(one, "it could not be read", "message_unreadable")
    if (one.attempt > attemptsMax) return yield* bury(one, "out of attempts", "attempts_exhausted")
    const exit = yield* Effect.exit(
      gateways === undefined
        ? Effect.fail(new StoreUnavailable({ cause: "asked who holds its members" }))
        : deliver(message, gateways)
    )
    yield* settle(one, exit)
    yield* exit
  }).pipe(
    Effect.withSpan("task.mq.consume", consumeOptions(one, parent), withoutStack),
    Effect.provideService(CurrentRequest, { requestId, actor: message?.from_user ?? "anonymous" }),
    Effect.ignoreCause
  )
})

/** Of each session, what the loop that took its last messages resolves when it has told them. */
export type Turns = Map<string | undefined, Deferred.Deferred<void>>

/** Nobody else takes a turn between the take and this, or nearly nobody: a gateway puts right what comes too early. */
const turnsOf = (batch: ReadonlyArray<Received>, turns: Turns) =>
  [...Map.groupBy(batch, ({ message }) => message?.session_id)].map(([session, some]) => {
    const before = turns.get(session)
    const over = Deferred.makeUnsafe<void>()
    turns.set(session, over)
    const end = Effect.suspend(() => {
      if (turns.get(session) === over) turns.delete(session)
      return Deferred.succeed(over, undefined)
    })
    return { session, some, before, end }
  })

/**
 * What was taken, each session's messages in their order, after those that were taken before. A gateway that gets them
 * out of order would read the history for each.
 */
const tell = Effect.fnUntraced(
  function*(batch: ReadonlyArray<Received>, turns: Turns, first: FirstDeliveries.FirstDeliveries) {
    const presence = yield* Presence
    const groups = turnsOf(batch, turns)
    const sessions = groups.flatMap(({ some: [first] }) =>
      first?.message === undefined ? [] : [first.message.session_id]
    )
    const told = Effect.gen(function*() {
      const where = yield* Effect.option(presence.whereAre(sessions))
      const bySession = where._tag === "None" ? undefined : new Map(sessions.map((id, at) => [id, where.value[at]!]))
      yield* Effect.forEach(groups, ({ before, end, some }) =>
        Effect.gen(function*() {
          if (before !== undefined) yield* Deferred.await(before)
          for (const one of some) {
            const gateways = one.message === undefined ? [] : bySession?.get(one.message.session_id)
            yield* consume(one, gateways, first)
          }
        }).pipe(Effect.ensuring(end)), { concurrency: "unbounded", discard: true })
    })
    yield* Effect.ensuring(told, Effect.forEach(groups, ({ end }) => end, { discard: true }))
  }
)

/** One batch. Tests call this. */
export const runOnce = Effect.fnUntraced(function*(
  max = batchMax,
  turns: Turns = new Map(),
  first = FirstDeliveries.make()
) {
  const batch = yield* MessageBus.use(({ take }) => take(max))
  yield* tell(batch, turns, first)
  return batch.length
})

const failedWait = Duration.seconds(1)

/**
 * Each loop begins without a parent: a trace is a message's, not the loop's. When the layer ends nothing more is taken,
 * and what was taken is told first, for as long as `drainFor`.
 */
export const layer = ({ drainFor }: { readonly drainFor: Duration.Duration }) =>
  Layer.effectDiscard(Effect.gen(function*() {
    const { take } = yield* MessageBus
    const turns: Turns = new Map()
    const first = FirstDeliveries.make()
    const stopping = yield* Deferred.make<void>()
    const stopped = Deferred.await(stopping)
    const once = Effect.raceFirst(take(batchMax), Effect.as(stopped, [])).pipe(
      Effect.flatMap((batch) => tell(batch, turns, first)),
      Effect.catchCause((cause) =>
        Effect.andThen(
          Effect.logWarning("the message bus could not be read; trying again", cause),
          Effect.raceFirst(Effect.sleep(failedWait), stopped)
        )
      )
    )
    const loop = Effect.repeat(once, { until: () => Deferred.isDone(stopping) })
    const fibers = yield* Effect.forEach(Array.from({ length: loops }), () => Effect.forkScoped(loop))
    yield* Effect.addFinalizer(() =>
      Effect.andThen(Deferred.succeed(stopping, undefined), Fiber.awaitAll(fibers)).pipe(
        Effect.interruptible,
        Effect.timeoutOption(drainFor)
      )
    )
  }))
