/** The message bus on NATS JetStream: kept in files, acknowledged one by one, put aside after too many attempts. */
import type { JsMsg } from "@nats-io/jetstream"
import { headers as natsHeaders, type MsgHdrs } from "@nats-io/nats-core"
import { Deferred, Effect, Layer, Option, Queue, Result, Schedule, Schema, Stream } from "effect"
import {
  type CarriedTrace,
  Envelope,
  MessageBus,
  messageId,
  type Published,
  type Received
} from "../../src/realtime/MessageBus.ts"
import type { BusUnavailable } from "../../src/realtime/RealtimeErrors.ts"
import { NatsClient, unavailable } from "./NatsClient.ts"

/** Messages that the client fetches ahead of whoever takes them. */
const aheadMax = 512
const buriedMax = 1_000
/** A consumer that is gone, with its data, is made anew this soon. */
const again = Schedule.spaced("1 second")

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Envelope))

const headersOf = ({ message, trace }: Published): MsgHdrs => {
  const headers = natsHeaders()
  if (trace !== null) headers.set("traceparent", trace.traceparent)
  if (trace?.tracestate != null) headers.set("tracestate", trace.tracestate)
  if (message.request_id !== null) headers.set("x-request-id", message.request_id)
  return headers
}

/** Header names are kept as they were written; W3C's are read in any case. */
const valuesOf = (headers: MsgHdrs | undefined, name: string) =>
  headers === undefined
    ? []
    : headers.keys().filter((key) => key.toLowerCase() === name).flatMap((key) => headers.values(key))

const carried = (headers: MsgHdrs | undefined, field: string | undefined): CarriedTrace => {
  const traceparent = valuesOf(headers, "traceparent")
  const tracestate = valuesOf(headers, "tracestate")
  return {
    headers: {
      ...(traceparent.length === 0 ? {} : { traceparent }),
      ...(tracestate.length === 0 ? {} : { tracestate })
    },
    field
  }
}

const body = ({ message, trace }: Published) =>
  JSON.stringify({ message, ...(trace === null ? {} : { TraceParent: trace.traceparent }) } satisfies Envelope)

const fieldOf = (text: string): string | undefined => {
  try {
    const { TraceParent: field } = JSON.parse(text) as { readonly TraceParent?: unknown }
    return typeof field === "string" ? field : undefined
  } catch {
    return undefined
  }
}

/** What the message carried, and why it was put aside. */
const withReason = ({ headers: carried, info }: JsMsg, reason: string): MsgHdrs => {
  const headers = natsHeaders()
  for (const key of carried?.keys() ?? []) {
    if (key.startsWith("Nats-")) continue
    for (const value of carried!.values(key)) headers.append(key, value)
  }
  headers.set("wordloom-reason", reason)
  headers.set("wordloom-attempts", String(info.deliveryCount))
  return headers
}

const asked = <A>(question: () => Promise<A>) => Effect.tryPromise({ try: question, catch: unavailable })

const make = Effect.gen(function*() {
  const { ensure, names, stream } = yield* NatsClient
  const taken = yield* Queue.bounded<JsMsg>(aheadMax)

  const publishOne = (one: Published) =>
    stream.publish(`${names.subject}.${one.message.session_id}`, body(one), {
      msgID: messageId(one.message),
      headers: headersOf(one)
    })

  /** Written to the wire in their order; the answers may come in any. */
  const publish = Effect.fnUntraced(function*(all: ReadonlyArray<Published>) {
    const answers = all.map((one) =>
      publishOne(one).then(() => Result.void, (cause: unknown) => Result.fail(unavailable(cause)))
    )
    const results = yield* Effect.promise((): Promise<ReadonlyArray<Result.Result<void, BusUnavailable>>> =>
      Promise.all(answers)
    )
    // A server that has lost its data has no stream to take them; they are published again, into the new one.
    if (results.some(Result.isFailure)) yield* Effect.ignore(ensure)
    return results
  })

  const receivedOf = (message: JsMsg): Received => {
    const text = message.string()
    const envelope = Option.getOrUndefined(decode(text))
    const attempt = message.info.deliveryCount
    const told = (tell: () => void) => Effect.try({ try: tell, catch: unavailable })
    return {
      message: envelope?.message,
      trace: carried(message.headers, envelope?.TraceParent ?? fieldOf(text)),
      attempt,
      done: told(() => message.ack()),
      again: (delayMs) => told(() => message.nak(delayMs)),
      bury: (reason) => {
        const headers = withReason(message, reason)
        const subject = `${names.subject}.dead.${message.subject.slice(names.subject.length + 1)}`
        return Effect.andThen(
          asked(() => stream.publish(subject, message.data, { headers })),
          told(() => message.term(reason))
        )
      }
    }
  }

  /** Ends when the consumer is gone: with the server's data, or by a person. */
  const consumeOnce = Effect.gen(function*() {
    yield* ensure
    const consumer = yield* Effect.tryPromise({
      try: () => stream.consumers.get(names.stream, names.consumer),
      catch: unavailable
    })
    const messages = yield* Effect.acquireRelease(
      Effect.tryPromise({
        try: () =>
          consumer.consume({
            max_messages: aheadMax,
            abort_on_missing_resource: true,
            idle_heartbeat: 2_000,
            expires: 10_000
          }),
        catch: unavailable
      }),
      (opened) => Effect.ignore(Effect.tryPromise(() => opened.close()))
    )
    const iterator = messages[Symbol.asyncIterator]()
    for (;;) {
      const next = yield* Effect.tryPromise({ try: () => iterator.next(), catch: unavailable })
      if (next.done === true) return
      yield* Queue.offer(taken, next.value)
    }
  }).pipe(Effect.scoped)

  const consuming = consumeOnce.pipe(
    Effect.catchCause((cause) => Effect.logWarning("the message bus is read anew", cause)),
    Effect.repeat(again)
  )
  yield* Effect.ignore(ensure)
  const begun = yield* Deferred.make<void>()
  // Only who takes consumes: a relay publishes and no more.
  yield* Effect.forkScoped(Effect.andThen(Deferred.await(begun), consuming))

  const buried = Effect.gen(function*() {
    const consumer = yield* asked(() => stream.consumers.get(names.dead))
    const { num_pending: count } = yield* asked(() => consumer.info())
    if (count === 0) return []
    const fetched = yield* asked(() => consumer.fetch({ max_messages: Math.min(count, buriedMax), expires: 2_000 }))
    const messages = yield* Stream.runCollect(Stream.fromAsyncIterable(fetched, unavailable))
    return messages.map((one) => ({
      reason: one.headers?.get("wordloom-reason") ?? "",
      message: Option.getOrUndefined(decode(one.string()))?.message
    }))
  })

  return MessageBus.of({
    publish,
    take: (max) =>
      Effect.andThen(
        Deferred.succeed(begun, undefined),
        Effect.map(Queue.takeBetween(taken, 1, max), (all) => all.map(receivedOf))
      ),
    buried
  })
})

export const layer = Layer.effect(MessageBus, make)
