/** Logic as gateways ask it: one connection, every call with a dead line, the caller's trace and its request id. */
import { Metadata } from "@grpc/grpc-js"
import { Effect, Layer } from "effect"
import { annotateQuestion } from "../../src/realtime/Asking.ts"
import { Logic } from "../../src/realtime/Logic.ts"
import { LogicUnavailable, type MessageInvalid, type SessionUnknown } from "../../src/realtime/RealtimeErrors.ts"
import { CurrentRequest } from "../../src/telemetry/CurrentRequest.ts"
import { TraceCarrier } from "../../src/telemetry/TraceCarrier.ts"
import {
  answerWithinMs,
  fromStatus,
  LogicStub,
  messageMax,
  metadataCarrier,
  type Refusal,
  replies,
  type requests,
  serviceName
} from "./ChatProto.ts"
import { ask, opened } from "./Unary.ts"

type Method = keyof typeof requests

const metadataNow = Effect.gen(function*() {
  const metadata = new Metadata()
  const { requestId } = yield* CurrentRequest
  if (requestId !== null) metadata.set("x-request-id", requestId)
  const span = yield* Effect.option(Effect.currentSpan)
  const trace = span._tag === "Some" ? (yield* TraceCarrier).inject(span.value) : undefined
  return trace === undefined ? metadata : metadataCarrier.write(trace, metadata)
})

const make = Effect.fnUntraced(function*(address: string) {
  const client = yield* opened(LogicStub, address, {
    "grpc.max_receive_message_length": messageMax,
    "grpc.max_send_message_length": messageMax,
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 5_000
  })

  const call = <A>(
    method: Method,
    request: object,
    read: (reply: never) => A,
    asked: { readonly session: string; readonly client_id: string }
  ): Effect.Effect<A, Refusal> =>
    Effect.gen(function*() {
      const metadata = yield* metadataNow
      yield* annotateQuestion({
        "rpc.system.name": "grpc",
        "rpc.method": `${serviceName}/${method}`,
        "server.address": address
      })
      return yield* ask(client, { method, request, metadata, withinMs: answerWithinMs }, read).pipe(
        // Why it could not be read quotes what somebody has said, which is for no span.
        Effect.tapError((failed) =>
          "refused" in failed
            ? Effect.void
            : Effect.logError("an answer of logic's could not be read", failed.unreadable)
        ),
        Effect.mapError((failed) =>
          "refused" in failed
            ? fromStatus(failed.refused, asked)
            : new LogicUnavailable({ detail: "its answer could not be read" })
        )
      )
    })

  const nobody = { session: "", client_id: "" }
  /** Errors that a method's contract does not know can only be a server of another version. */
  const only = <A, E extends Refusal>(
    effect: Effect.Effect<A, Refusal>,
    ...tags: ReadonlyArray<E["_tag"]>
  ): Effect.Effect<A, E | LogicUnavailable> =>
    Effect.mapError(effect, (error): E | LogicUnavailable =>
      (tags as ReadonlyArray<string>).includes(error._tag)
        ? error as E
        : error instanceof LogicUnavailable
        ? error
        : new LogicUnavailable({ detail: `it answered with ${error._tag}` }))

  return Logic.of({
    sendMessage: ({ client_id, from_user, session_id, text }) =>
      call("SendMessage", { session_id, from_user, client_id, text }, replies.SendMessage, {
        session: session_id,
        client_id
      }),
    history: (session, after, limit) =>
      only<ReturnType<typeof replies.History>, SessionUnknown | MessageInvalid>(
        call("History", { session_id: session, after, limit }, replies.History, { ...nobody, session }),
        "SessionUnknown",
        "MessageInvalid"
      ),
    join: ({ id, kind }, gateway) =>
      only<ReturnType<typeof replies.Join>, SessionUnknown | MessageInvalid>(
        call("Join", { kind, session_id: id, gateway }, replies.Join, { ...nobody, session: `${kind}/${id}` }),
        "SessionUnknown",
        "MessageInvalid"
      ),
    leave: (gateway_id, session_id) =>
      only<void, MessageInvalid>(call("Leave", { gateway_id, session_id }, () => {}, nobody), "MessageInvalid"),
    attend: (gateway, session_ids) =>
      only<ReturnType<typeof replies.Attend>["heads"], MessageInvalid>(
        call("Attend", { gateway, session_ids }, (reply) => replies.Attend(reply).heads, nobody),
        "MessageInvalid"
      ),
    retire: (gateway_id) =>
      only<void, MessageInvalid>(call("Retire", { gateway_id }, () => {}, nobody), "MessageInvalid")
  })
})

/** `host:port`. */
export const layer = (address: string) => Layer.effect(Logic, make(address))
