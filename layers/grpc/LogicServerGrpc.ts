/** Logic over gRPC: the methods of chat.proto, with health and reflection beside them. */
import { type sendUnaryData, Server, ServerCredentials, type ServerUnaryCall, status } from "@grpc/grpc-js"
import { loadSync } from "@grpc/proto-loader"
import { ReflectionService } from "@grpc/reflection"
import { Cause, Duration, Effect, FiberSet, Layer, Option, Result, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { HealthImplementation, protoPath } from "grpc-health-check"
import { excerpt } from "../../src/domain/Text.ts"
import { Incoming, ServedLogic } from "../../src/realtime/LogicServing.ts"
import { LogicUnavailable, MessageInvalid } from "../../src/realtime/RealtimeErrors.ts"
import { received } from "../../src/telemetry/Carriers.ts"
import { CurrentRequest, isRequestId } from "../../src/telemetry/CurrentRequest.ts"
import { TraceSignals } from "../../src/telemetry/TraceSignals.ts"
import {
  answerWithinMs,
  definition,
  messageMax,
  metadataCarrier,
  type Refusal,
  requests,
  service,
  serviceName,
  toStatus,
  toWire
} from "./ChatProto.ts"
import * as Signals from "./SignalsProto.ts"
import { implementation } from "./TraceSignalsServer.ts"

export interface Options {
  readonly host: string
  readonly port: number
  /** How long a stopping server lets calls finish. */
  readonly grace: Duration.Duration
}

type Method = keyof typeof requests
type RequestOf<M extends Method> = (typeof requests)[M]["Type"]
type Handlers = {
  readonly [M in Method]: (request: RequestOf<M>, requestId: string) => Effect.Effect<object, Refusal>
}

const handlersOf = (logic: ServedLogic["Service"]): Handlers => ({
  SendMessage: (request, request_id) =>
    Effect.map(logic.sendMessage({ ...request, request_id }), ({ isNew, message }) => ({
      message: toWire(message),
      is_new: isNew
    })),
  History: ({ after, limit, session_id }) =>
    Effect.map(logic.history(session_id, after, limit), ({ last_seq, messages }) => ({
      messages: messages.map(toWire),
      last_seq
    })),
  Join: ({ gateway, kind, session_id: id }) => logic.join({ kind, id }, gateway),
  Leave: ({ gateway_id, session_id }) => Effect.as(logic.leave(gateway_id, session_id), {}),
  Attend: ({ gateway, session_ids }) => Effect.map(logic.attend(gateway, session_ids), (heads) => ({ heads })),
  Retire: ({ gateway_id }) => Effect.as(logic.retire(gateway_id), {})
})

const invalid = (error: Schema.SchemaError) => new MessageInvalid({ detail: excerpt(error.message, 500) })

/** Below the caller's trace; an error of ours is told without its inside, which goes to the log. */
const answer = <M extends Method>(
  method: M,
  handler: Handlers[M],
  call: ServerUnaryCall<unknown, unknown>
): Effect.Effect<object, Refusal, SecureRandom.SecureRandom> =>
  Effect.gen(function*() {
    const random = yield* SecureRandom.SecureRandom
    const given = String(call.metadata.get("x-request-id")[0] ?? "")
    const requestId = isRequestId(given) ? given : yield* random.uuidV7()
    const trace = yield* received("grpc", metadataCarrier.read(call.metadata))
    const decoded = Schema.decodeUnknownResult(requests[method] as Schema.Codec<RequestOf<M>>)(call.request)
    return yield* Effect.gen(function*() {
      if (Result.isFailure(decoded)) return yield* invalid(decoded.failure)
      return yield* handler(decoded.success, requestId)
    }).pipe(
      Effect.timeoutOrElse({
        duration: Duration.millis(answerWithinMs),
        orElse: () => Effect.fail(new LogicUnavailable({ detail: "no answer in time" }))
      }),
      Effect.catchDefect((defect) =>
        Effect.andThen(
          Effect.logError("a call broke", { method }, Cause.die(defect)),
          Effect.fail(new LogicUnavailable({ detail: "an unexpected error" }))
        )
      ),
      Effect.provideService(Incoming, { trace }),
      Effect.provideService(CurrentRequest, { requestId, actor: "anonymous" })
    )
  })

const bound = (server: Server, { host, port }: Options) =>
  Effect.callback<number, Error>((resume) => {
    const address = `${host.includes(":") ? `[${host}]` : host}:${port}`
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, found) => {
      if (error === null) return resume(Effect.succeed(found))
      // The library's error has no code of Node's; a port that is taken is by far the most likely.
      resume(Effect.fail(Object.assign(error, { code: "EADDRINUSE", port, address: host })))
    })
  })

const make = Effect.fnUntraced(function*(options: Options) {
  const logic = yield* ServedLogic
  const handlers = handlersOf(logic)
  const run = yield* FiberSet.makeRuntime<SecureRandom.SecureRandom>()
  const server = new Server({
    "grpc.max_receive_message_length": messageMax,
    "grpc.max_send_message_length": messageMax,
    "grpc.max_concurrent_streams": 1_000,
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 5_000,
    "grpc.so_reuseport": 0
  })
  const handled = (method: Method) => (call: ServerUnaryCall<unknown, unknown>, reply: sendUnaryData<unknown>) => {
    const fiber = run(
      Effect.matchCause(answer(method, handlers[method] as never, call), {
        onSuccess: (value) => reply(null, value),
        onFailure: (cause) => {
          const error = Option.getOrUndefined(Cause.findErrorOption(cause))
          reply(error === undefined ? { code: status.UNAVAILABLE, details: "stopping" } : toStatus(error))
        }
      })
    )
    // Whoever gave up waiting, or whose dead line has passed, needs no answer.
    call.on("cancelled", () => fiber.interruptUnsafe())
  }
  server.addService(
    service,
    Object.fromEntries((Object.keys(requests) as Array<Method>).map((method) => [method, handled(method)]))
  )
  const signals = yield* Effect.serviceOption(TraceSignals)
  if (Option.isSome(signals)) {
    server.addService(Signals.service, implementation(signals.value, (work) => run(work)))
  }
  const health = new HealthImplementation({ "": "SERVING", [serviceName]: "SERVING" })
  health.addToServer(server)
  new ReflectionService({ ...definition, ...Signals.definition, ...loadSync(protoPath) }).addToServer(server)
  const port = yield* bound(server, options)
  yield* Effect.addFinalizer(() =>
    Effect.callback<void>((resume) => {
      for (const name of ["", serviceName]) health.setStatus(name, "NOT_SERVING")
      server.tryShutdown(() => resume(Effect.void))
    }).pipe(
      Effect.interruptible,
      Effect.timeoutOption(options.grace),
      Effect.andThen(Effect.sync(() => server.forceShutdown()))
    )
  )
  return port
})

/** `onListening` gets the port that it found. */
export const layer = (options: Options, onListening: (address: string) => Effect.Effect<void>) =>
  Layer.effectDiscard(Effect.flatMap(make(options), (port) => onListening(`${options.host}:${port}`)))
