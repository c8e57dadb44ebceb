/** One client of a gateway: what its frames ask for, each in a trace of its own, one after the other. */
import { Cause, Clock, Context, Effect, Option, Result, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import type { EntityId } from "../domain/Entity.ts"
import { excerpt } from "../domain/Text.ts"
import { envelope, received } from "../telemetry/Carriers.ts"
import { CurrentRequest, isRequestId } from "../telemetry/CurrentRequest.ts"
import { attribute as debugAttribute, DebugTrace } from "../telemetry/DebugTrace.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import { withoutStack } from "../telemetry/Spans.ts"
import { TraceBorder } from "../telemetry/TraceBorder.ts"
import { TraceCarrier } from "../telemetry/TraceCarrier.ts"
import { asking } from "./Asking.ts"
import { ClientFrame, encode, type ServerFrame } from "./Frames.ts"
import * as RateLimit from "./RateLimit.ts"
import { broken, isOurs, refused, textOf, type Told, toldOf } from "./Refusals.ts"
import { type Member, Rooms } from "./Rooms.ts"
import { parseRef, type SessionRef } from "./Session.ts"
import { expiredOf } from "./Sessions.ts"

export interface Client extends Member {
  readonly id: string
  readonly user: string
}

const rateLimit: RateLimit.RateLimit = { perSecond: 50, burst: 100 }
const sessionsMax = 32
/** Frames that are too many, or make no sense, in a row: then the client is sent away. */
const offencesMax = 100

const decode = Schema.decodeUnknownResult(ClientFrame)

const parse = (text: string): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : {}
  } catch {
    return {}
  }
}

type Frame<Type extends ClientFrame["type"]> = Extract<ClientFrame, { readonly type: Type }>

export interface Connection {
  /** Never fails. `false`: the client is to be sent away. */
  readonly handle: (text: string) => Effect.Effect<boolean>
  readonly close: Effect.Effect<void>
}

/** Only of a real trace: a disabled tracer's placeholder must not be shown to anybody. */
const traceId = Effect.gen(function*() {
  const span = yield* Effect.option(Effect.currentSpan)
  const known = Option.isSome(span) && (yield* TraceCarrier).inject(span.value) !== undefined
  return known && Option.isSome(span) ? { trace_id: span.value.traceId } : {}
})

const answering = Effect.fnUntraced(function*(client: Client) {
  const rooms = yield* Rooms
  const logic = yield* asking
  const joined = new Map<EntityId, SessionRef>()
  const reply = (frame: ServerFrame) => Effect.sync(() => client.deliver(encode(frame)))

  const named = (session: string) => {
    const ref = parseRef(session)
    return ref === undefined
      ? Effect.fail(refused("session_unknown", "a session is tag/ID, library/ID or block/ID"))
      : Effect.succeed(ref)
  }

  const member = Effect.fnUntraced(function*(session: string) {
    const ref = yield* named(session)
    return joined.has(ref.id)
      ? ref
      : yield* Effect.fail(refused("not_joined", `${session} was not joined on this connection`))
  })

  const send = Effect.fnUntraced(function*({ client_id, session, text }: Frame<"send">, request_id: string) {
    const { id: session_id } = yield* member(session)
    const { isNew, message } = yield* logic.sendMessage({
      session_id,
      from_user: client.user,
      client_id,
      text,
      request_id
    })
    const answer = { session, client_id, seq: message.seq, duplicate: !isNew, request_id, ...(yield* traceId) }
    yield* reply({ type: "sent", ...answer }).pipe(
      Effect.withSpan("gateway.ws.send_response", { attributes: { "ws.frame": "sent" } }, withoutStack)
    )
  })

  const join = Effect.fnUntraced(function*({ after, session }: Frame<"join">) {
    const ref = yield* named(session)
    if (!joined.has(ref.id) && joined.size >= sessionsMax) {
      return yield* Effect.fail(refused("too_many_sessions", `a connection may join ${sessionsMax} sessions`))
    }
    // Joined anew: it may have seen less than it was given.
    if (joined.delete(ref.id)) yield* rooms.leave(ref.id, client)
    yield* rooms.join(ref, client, after, (said) => client.deliver(encode({ type: "joined", session, ...said })))
    joined.set(ref.id, ref)
  })

  const leave = Effect.fnUntraced(function*({ session }: Frame<"leave">) {
    const { id } = yield* member(session)
    joined.delete(id)
    yield* rooms.leave(id, client)
    yield* reply({ type: "left", session })
  })

  const history = Effect.fnUntraced(function*({ after, limit = 50, session }: Frame<"history">) {
    const { id } = yield* member(session)
    const page = yield* logic.history(id, after, limit)
    const expired = expiredOf(after, page)
    if (expired !== undefined) yield* reply({ type: "expired", session, ...expired })
    yield* reply({ type: "history", session, ...page })
  })

  const act = Effect.fnUntraced(function*(frame: ClientFrame, requestId: string) {
    switch (frame.type) {
      case "join":
        return yield* join(frame)
      case "leave":
        return yield* leave(frame)
      case "history":
        return yield* history(frame)
      case "send":
        return yield* send(frame, requestId)
      case "ping":
        return yield* reply({ type: "pong" })
    }
  })

  const close = Effect.suspend(() =>
    Effect.forEach([...joined.keys()], (id) => rooms.leave(id, client), { discard: true })
  )

  return { act, reply, close }
})

/** A frame has no headers: what asks for a debug trace over HTTP is a member of it here. */
const debugOf = ({ debug }: Readonly<Record<string, unknown>>) => typeof debug === "string" ? debug : undefined

/** The root of a message's trace, or a child of what the client says it belongs to, as far as that is believed. */
const observed = Effect.fnUntraced(function*<E, R>(
  border: TraceBorder["Service"],
  client: Client,
  raw: Readonly<Record<string, unknown>>,
  type: string,
  work: Effect.Effect<void, E, R>
) {
  const carrier = yield* TraceCarrier
  const context = yield* received("ws", envelope.read(raw))
  const arrival = yield* border.arrive({
    traceparent: context?.traceparent,
    tracestate: context?.tracestate,
    debug: debugOf(raw),
    isLocal: false
  })
  const parent = carrier.extract(arrival.parent)
  const link = carrier.extract(arrival.link)
  const { requestId } = yield* CurrentRequest
  yield* work.pipe(Effect.withSpan("gateway.ws.on_message", {
    kind: "consumer",
    ...(parent === undefined ? { root: true } : { parent }),
    ...(link === undefined ? {} : { links: [{ span: link, attributes: {} }] }),
    annotations: Context.make(DebugTrace, arrival.isDebug),
    attributes: {
      "ws.frame": type,
      "ws.connection_id": client.id,
      "network.protocol.name": "websocket",
      ...(requestId === null ? {} : { request_id: requestId, x_request_id: requestId }),
      ...(arrival.isDebug ? { [debugAttribute]: true } : {})
    }
  }, withoutStack))
})

export const make = Effect.fnUntraced(function*(client: Client) {
  const { act, close, reply } = yield* answering(client)
  const border = yield* TraceBorder
  const random = yield* SecureRandom.SecureRandom
  let bucket = RateLimit.full(rateLimit, yield* Clock.currentTimeMillis)
  let offences = 0

  const tell = Effect.fnUntraced(function*(raw: Readonly<Record<string, unknown>>, told: Told) {
    yield* Effect.annotateCurrentSpan("error.type", told.code)
    yield* Metrics.realtimeRefused.add({ code: told.code })
    const trace = yield* traceId
    yield* reply({ type: "error", ...told, ...textOf(raw, "session"), ...textOf(raw, "client_id"), ...trace }).pipe(
      Effect.withSpan("gateway.ws.send_response", { attributes: { "ws.frame": "error" } }, withoutStack)
    )
  })

  /** A failure that is ours is the span's, too; one that is the client's is only told. */
  const answered = (frame: ClientFrame, raw: Readonly<Record<string, unknown>>, requestId: string) =>
    act(frame, requestId).pipe(
      Effect.catchCause((cause) => {
        const error = Cause.squash(cause)
        if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
        const tagged = error as { readonly _tag: string; readonly message: string }
        const known = cause.reasons.every(({ _tag }) => _tag === "Fail")
        const told = known ? toldOf(tagged) : broken
        return Effect.gen(function*() {
          if (!known) yield* Effect.logError("a frame broke", cause)
          else if (isOurs(told)) yield* Effect.logWarning("a frame could not be answered", cause)
          yield* tell(raw, told)
          if (isOurs(told)) return yield* Effect.fail(tagged)
        })
      })
    )

  const handleFrame = Effect.fnUntraced(function*(text: string) {
    const now = yield* Clock.currentTimeMillis
    const after = RateLimit.take(rateLimit, bucket, now)
    const raw = parse(text)
    if (after === undefined) {
      offences++
      yield* Metrics.realtimeRefused.add({ code: "rate_limited" })
      yield* reply({
        type: "error",
        code: "rate_limited",
        message: `at most ${rateLimit.perSecond} messages a second`,
        ...textOf(raw, "client_id")
      })
      return
    }
    bucket = after
    const decoded = decode(raw)
    if (Result.isSuccess(decoded) && decoded.success.type === "ping") return yield* reply({ type: "pong" })
    if (Result.isFailure(decoded)) {
      offences++
      const why = Object.keys(raw).length === 0 ? "a frame is one JSON object" : decoded.failure.message
      const told: Told = { code: "frame_invalid", message: excerpt(why, 500) }
      return yield* observed(border, client, raw, "invalid", tell(raw, told))
    }
    offences = 0
    const frame = decoded.success
    const fresh = yield* random.uuidV7()
    const given = frame.type === "send" ? frame.request_id : undefined
    const requestId = given !== undefined && isRequestId(given) ? given : fresh
    yield* observed(border, client, raw, frame.type, answered(frame, raw, requestId)).pipe(
      Effect.provideService(CurrentRequest, { requestId, actor: client.user })
    )
  })

  const handle = (text: string) =>
    handleFrame(text).pipe(
      Effect.exit,
      Effect.tap(({ _tag }) =>
        Metrics.realtimeMessages.add({
          direction: "received",
          result: _tag === "Success" ? "ok" : "failed"
        })
      ),
      Effect.map(() => offences < offencesMax)
    )

  return { handle, close } satisfies Connection
})
