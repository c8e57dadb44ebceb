/** The request plane over NATS: a subject per stage that query processes share, and one for what nobody waits for. */
import {
  headers as natsHeaders,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  nuid,
  RequestError
} from "@nats-io/nats-core"
import { Context, Deferred, type Duration, Effect, Fiber, Latch, Layer, Option, Queue, Stream } from "effect"
import { RpcClient, RpcClientError, type RpcMessage, RpcSerialization, RpcServer } from "effect/rpc"
import { SocketOpenError } from "effect/socket/Socket"
import { stages } from "../../src/plane/Payloads.ts"
import { PlaneConnection } from "./PlaneConnection.ts"

const subjectOf = (prefix: string, stage: string) => `${prefix}.stages.${stage}`
const cancelledOf = (prefix: string) => `${prefix}.stages.cancel`
/** Each call goes to one of the processes that serve the stage. */
const queue = "query"
const callId = "x-call-id"

/** Headers count too against what a NATS server takes at once. */
const headersMax = 4_096
/** The caller's own patience ends before. */
const answerMs = 35_000

const { codecFor } = RpcSerialization.json
const makeUnsafe = () => RpcSerialization.json.makeUnsafe()

const unreachable = (cause: unknown) =>
  new RpcClientError.RpcClientError({ reason: new SocketOpenError({ kind: "Unknown", cause }) })
const broken = (message: string) =>
  new RpcClientError.RpcClientError({
    reason: new RpcClientError.RpcClientDefect({ message, cause: new Error(message) })
  })

const bytesMax = ({ info }: NatsConnection) => (info?.max_payload ?? 1_048_576) - headersMax

const encoded = (message: RpcMessage.FromClientEncoded | RpcMessage.FromServerEncoded) =>
  Buffer.from(String(makeUnsafe().encode(message) ?? ""))

const headersOf = (id: string, headers: ReadonlyArray<readonly [string, string]>) => {
  const all = natsHeaders()
  for (const [name, value] of headers) all.set(name, value)
  all.set(callId, id)
  return all
}

/** Names are read in any case; what is there twice is joined, so that no single value of it is believed. */
const entriesOf = (headers: MsgHdrs | undefined): Array<[string, string]> => {
  const all = new Map<string, ReadonlyArray<string>>()
  for (const name of headers?.keys() ?? []) {
    const key = name.toLowerCase()
    all.set(key, [...all.get(key) ?? [], ...headers!.values(name)])
  }
  return [...all].map(([name, values]) => [name, values.join(",")])
}

const noResponders = (error: unknown) => error instanceof RequestError && error.isNoResponders()

/** A call that is not waited for any more is told to all: only one of them has it. */
const call = ({ now, prefix }: PlaneConnection["Service"], request: RpcMessage.RequestEncoded) =>
  Effect.gen(function*() {
    const connection = yield* Effect.mapError(now, unreachable)
    const id = nuid.next()
    const payload = encoded({ ...request, headers: [] })
    if (payload.length > bytesMax(connection)) return yield* broken("the payload is beyond what NATS takes at once")
    const answer = yield* Effect.tryPromise({
      try: () =>
        connection.request(subjectOf(prefix, request.tag), payload, {
          timeout: answerMs,
          headers: headersOf(id, request.headers)
        }),
      catch: (error) => unreachable(noResponders(error) ? new Error("no query process serves the stage") : error)
    }).pipe(
      Effect.onInterrupt(() =>
        Effect.ignore(Effect.try(() => connection.publish(cancelledOf(prefix), "", { headers: headersOf(id, []) })))
      )
    )
    const responses = yield* Effect.try({
      try: () => makeUnsafe().decode(answer.data) as ReadonlyArray<RpcMessage.FromServerEncoded>,
      catch: () => broken("the answer is no JSON")
    })
    return responses
  })

/** How the API asks. */
export const clientProtocol = Layer.effect(
  RpcClient.Protocol,
  Effect.flatMap(PlaneConnection, (plane) =>
    RpcClient.Protocol.make((write) =>
      Effect.succeed({
        send: (clientId, request) =>
          request._tag === "Request"
            ? Effect.flatMap(call(plane, request), (responses) =>
              Effect.forEach(responses, (response) => write(clientId, response), { discard: true }))
            : Effect.void,
        supportsAck: false,
        supportsTransferables: false,
        codecFor
      })
    ))
)

interface Held {
  readonly message: Msg
  readonly callId: string
  /** Bytes that NATS takes at once. */
  readonly max: number
}

const answered = ({ max, message }: Held, response: RpcMessage.FromServerEncoded) => {
  const bytes = encoded(response)
  return message.respond(
    bytes.length <= max
      ? bytes
      : encoded({ _tag: "Defect", defect: "the answer is beyond what NATS takes at once" })
  )
}

const told = (headers: ReadonlyArray<readonly [string, string]>, name: string) =>
  headers.find(([key]) => key === name)?.[1] ?? ""

const requestOf = (message: Msg): RpcMessage.RequestEncoded | undefined => {
  try {
    const [request, ...more] = makeUnsafe().decode(message.data) as ReadonlyArray<RpcMessage.FromClientEncoded>
    return request?._tag === "Request" && more.length === 0
      ? { ...request, headers: entriesOf(message.headers) }
      : undefined
  } catch {
    return undefined
  }
}

interface Subject {
  readonly to: string
  readonly queue?: string
  readonly each: (message: Msg) => Effect.Effect<void>
}

const subscribed = Effect.fnUntraced(function*(connection: NatsConnection, { each, to, ...options }: Subject) {
  const subscription = yield* Effect.acquireRelease(
    Effect.sync(() => connection.subscribe(to, options)),
    (opened) => Effect.ignore(Effect.try(() => opened.unsubscribe()))
  )
  const all = yield* Stream.fromAsyncIterable(subscription, (error) => error).pipe(
    Stream.runForEach(each),
    Effect.catchCause((cause) => Effect.logError("a subject of the request plane broke", cause)),
    Effect.forkScoped
  )
  /** Nothing more comes, and what has come was taken. */
  return { drain: Effect.andThen(Effect.ignore(Effect.tryPromise(() => subscription.drain())), Fiber.await(all)) }
})

/** Takes no more calls, and ends when those that were taken are answered. */
class StageDrain extends Context.Service<StageDrain, Effect.Effect<void>>()("wordloom/nats/StageDrain") {}

const serve = Effect.gen(function*() {
  const { first, now, prefix, wasThere } = yield* PlaneConnection
  const disconnects = yield* Queue.make<number>()
  const held = new Map<number, Held>()
  const idle = Latch.makeUnsafe(true)
  const drains: Array<Effect.Effect<unknown>> = []
  let lastId = 0

  const letGo = (clientId: number) => {
    const wasHeld = held.delete(clientId)
    if (held.size === 0) idle.openUnsafe()
    return wasHeld
  }

  const forget = (message: Msg) =>
    Effect.sync(() => {
      const id = told(entriesOf(message.headers), callId)
      for (const [clientId, one] of held) {
        if (one.callId === id && letGo(clientId)) Queue.offerUnsafe(disconnects, clientId)
      }
    })

  const protocol = yield* RpcServer.Protocol.make(Effect.fnUntraced(function*(write) {
    const take = (connection: NatsConnection) => (message: Msg) =>
      Effect.suspend(() => {
        const request = requestOf(message)
        if (request === undefined) {
          return Effect.sync(() => void message.respond(encoded({ _tag: "Defect", defect: "no request" })))
        }
        const clientId = lastId++
        idle.closeUnsafe()
        held.set(clientId, {
          message,
          callId: told(request.headers, callId),
          max: bytesMax(connection)
        })
        return Effect.andThen(write(clientId, request), write(clientId, { _tag: "Eof" }))
      }).pipe(Effect.catchCause((cause) => Effect.logError("a payload of the request plane broke", cause)))
    const serving = yield* Deferred.make<void>()
    const subscribe = Effect.gen(function*() {
      const connection = yield* first
      yield* subscribed(connection, { to: cancelledOf(prefix), each: forget })
      for (const stage of stages) {
        const { drain } = yield* subscribed(connection, { to: subjectOf(prefix, stage), queue, each: take(connection) })
        drains.push(drain)
      }
      // Whoever is told that this process serves must be able to ask it.
      yield* Effect.ignore(Effect.tryPromise(() => connection.flush()))
      yield* Deferred.succeed(serving, undefined)
      yield* Effect.logInfo("serving stages of the search", { wire: "nats", subject: subjectOf(prefix, "*") })
      return yield* Effect.never
    })
    yield* Effect.forkScoped(Effect.scoped(subscribe))
    if (yield* wasThere) yield* Deferred.await(serving)
    return {
      disconnects,
      send: (clientId, response) =>
        Effect.sync(() => {
          const one = held.get(clientId)
          if (one !== undefined) answered(one, response)
        }),
      end: (clientId) => Effect.sync(() => void letGo(clientId)),
      clientIds: Effect.sync(() => new Set(held.keys())),
      initialMessage: Effect.sync(() => Option.none()),
      supportsAck: false,
      supportsTransferables: false,
      supportsSpanPropagation: false,
      supportsNotifications: false,
      codecFor
    }
  }))
  // Without NATS nobody hears an answer.
  const drain = Effect.ignore(Effect.gen(function*() {
    const connection = yield* now
    yield* Effect.all(drains, { concurrency: "unbounded", discard: true })
    yield* idle.await
    yield* Effect.tryPromise(() => connection.flush())
  }))
  return Context.make(RpcServer.Protocol, protocol).pipe(Context.add(StageDrain, drain))
})

/** How a query process is asked; it takes calls as soon as NATS is there. */
export const serverProtocol = Layer.effectContext(serve)

/** For a server that is about to end: others that serve the stages get what comes from now on. */
export const drained = (within: Duration.Input) =>
  Layer.effectDiscard(
    Effect.flatMap(StageDrain, (drain) =>
      Effect.addFinalizer(() => Effect.timeoutOption(Effect.interruptible(drain), within)))
  )
