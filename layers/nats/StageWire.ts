/** The request plane over NATS: a subject per stage that query processes share, and one for what nobody waits for. */
import {
  headers as natsHeaders,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  nuid,
  RequestError
} from "@nats-io/nats-core"
import { Effect, Layer, Option, Queue, Stream } from "effect"
import { RpcClient, RpcClientError, type RpcMessage, RpcSerialization, RpcServer } from "effect/rpc"
import { SocketOpenError } from "effect/socket/Socket"
import { stages } from "../../src/plane/Payloads.ts"
import { NatsClient } from "./NatsClient.ts"

const subject = "wordloom.stages"
const cancelled = `${subject}.cancel`
/** Each call goes to one of the processes that serve the stage. */
const queue = "query"
const callId = "x-call-id"

/** Headers count too against what a NATS server takes at once. */
const headersMax = 4_096
/** Calls that one process holds, worked on or waiting; the next is refused at once. */
const heldMax = 1_024
const refused = "wordloom-refused"
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
const call = (connection: NatsConnection, request: RpcMessage.RequestEncoded) =>
  Effect.gen(function*() {
    const id = nuid.next()
    const payload = encoded({ ...request, headers: [] })
    if (payload.length > bytesMax(connection)) return yield* broken("the payload is beyond what NATS takes at once")
    const answer = yield* Effect.tryPromise({
      try: () =>
        connection.request(`${subject}.${request.tag}`, payload, {
          timeout: answerMs,
          headers: headersOf(id, request.headers)
        }),
      catch: (error) => unreachable(noResponders(error) ? new Error("no query process serves the stage") : error)
    }).pipe(Effect.onInterrupt(() =>
      Effect.ignore(Effect.try(() => connection.publish(cancelled, "", { headers: headersOf(id, []) })))
    ))
    if (answer.headers?.has(refused) === true) {
      return yield* unreachable(new Error("the query process is full"))
    }
    const responses = yield* Effect.try({
      try: () =>
        makeUnsafe().decode(answer.data) as ReadonlyArray<RpcMessage.FromServerEncoded>,
      catch: () => broken("the answer is no JSON")
    })
    return responses
  })

/** How the API asks. */
export const clientProtocol = Layer.effect(
  RpcClient.Protocol,
  Effect.flatMap(NatsClient, ({ connection }) =>
    RpcClient.Protocol.make((write) =>
      Effect.succeed({
        send: (clientId, request) =>
          request._tag === "Request"
            ? Effect.flatMap(call(connection, request), (responses) =>
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
}

const answered = (connection: NatsConnection, { message }: Held, response: RpcMessage.FromServerEncoded) => {
  const bytes = encoded(response)
  return message.respond(
    bytes.length <= bytesMax(connection)
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

const serve = Effect.gen(function*() {
  const { connection } = yield* NatsClient
  const disconnects = yield* Queue.make<number>()
  const held = new Map<number, Held>()
  let lastId = 0

  const subscribed = (to: string, options: { readonly queue?: string }, each: (message: Msg) => Effect.Effect<void>) =>
    Effect.gen(function*() {
      const subscription = yield* Effect.acquireRelease(
        Effect.sync(() => connection.subscribe(to, options)),
        (opened) => Effect.ignore(Effect.try(() => opened.unsubscribe()))
      )
      yield* Stream.fromAsyncIterable(subscription, (error) => error).pipe(
        Stream.runForEach(each),
        Effect.catchCause((cause) => Effect.logError("a subject of the request plane broke", cause)),
        Effect.forkScoped
      )
    })

  yield* subscribed(cancelled, {}, (message) =>
    Effect.sync(() => {
      const id = told(entriesOf(message.headers), callId)
      for (const [clientId, one] of held) {
        if (one.callId === id && held.delete(clientId)) Queue.offerUnsafe(disconnects, clientId)
      }
    }))

  return yield* RpcServer.Protocol.make(Effect.fnUntraced(function*(write) {
    const take = (message: Msg) =>
      Effect.suspend(() => {
        const request = requestOf(message)
        if (request === undefined) {
          return Effect.sync(() => void message.respond(encoded({ _tag: "Defect", defect: "no request" })))
        }
        if (held.size >= heldMax) {
          const headers = natsHeaders()
          headers.set(refused, "full")
          return Effect.sync(() => void message.respond("", { headers }))
        }
        const clientId = lastId++
        held.set(clientId, { message, callId: told(request.headers, callId) })
        return Effect.andThen(write(clientId, request), write(clientId, { _tag: "Eof" }))
      }).pipe(Effect.catchCause((cause) => Effect.logError("a payload of the request plane broke", cause)))
    for (const stage of stages) yield* subscribed(`${subject}.${stage}`, { queue }, take)
    // Whoever is told that this process serves must be able to ask it.
    yield* Effect.ignore(Effect.tryPromise(() => connection.flush()))
    return {
      disconnects,
      send: (clientId, response) =>
        Effect.sync(() => {
          const one = held.get(clientId)
          if (one !== undefined) answered(connection, one, response)
        }),
      end: (clientId) => Effect.sync(() => void held.delete(clientId)),
      clientIds: Effect.sync(() => new Set(held.keys())),
      initialMessage: Effect.sync(() => Option.none()),
      supportsAck: false,
      supportsTransferables: false,
      supportsSpanPropagation: false,
      supportsNotifications: false,
      codecFor
    }
  }))
})

/** How a query process is asked. */
export const serverProtocol = Layer.effect(RpcServer.Protocol, serve)
