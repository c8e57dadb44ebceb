/** Logic over gRPC: the methods of chat.proto, with health and reflection beside them. */
import { Server, ServerCredentials } from "@grpc/grpc-js"
import { loadSync } from "@grpc/proto-loader"
import { ReflectionService } from "@grpc/reflection"
import { Duration, Effect, FiberSet, Layer, Option } from "effect"
import { SecureRandom } from "effect/crypto"
import { HealthImplementation, protoPath } from "grpc-health-check"
import { Incoming, ServedLogic } from "../../src/realtime/LogicServing.ts"
import { LogicUnavailable, MessageInvalid } from "../../src/realtime/RealtimeErrors.ts"
import { formatAddress } from "../../src/settings/SettingKind.ts"
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
import { implementation, type Service } from "./Served.ts"
import * as Signals from "./SignalsProto.ts"
import { serviceOf } from "./TraceSignalsServer.ts"

export interface Options {
  readonly host: string
  readonly port: number
  /** How long a stopping server lets calls finish. */
  readonly grace: Duration.Duration
}

type Chat = Service<typeof requests, Refusal, SecureRandom.SecureRandom>

const handlersOf = (logic: ServedLogic["Service"]): Chat["handlers"] => ({
  SendMessage: (request) =>
    Effect.gen(function*() {
      const { requestId: request_id } = yield* CurrentRequest
      const { isNew, message } = yield* logic.sendMessage({ ...request, request_id })
      return { message: toWire(message), is_new: isNew }
    }),
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

const unavailable = (detail: string) => new LogicUnavailable({ detail })

/** Below the caller's trace, with the caller's request id or one of its own. */
const within: Chat["within"] = Effect.fnUntraced(function*(work, { metadata }) {
  const random = yield* SecureRandom.SecureRandom
  const given = String(metadata.get("x-request-id")[0] ?? "")
  const requestId = isRequestId(given) ? given : yield* random.uuidV7()
  const trace = yield* received("grpc", metadataCarrier.read(metadata))
  return yield* work.pipe(
    Effect.timeoutOrElse({
      duration: Duration.millis(answerWithinMs),
      orElse: () => Effect.fail(unavailable("no answer in time"))
    }),
    Effect.provideService(Incoming, { trace }),
    Effect.provideService(CurrentRequest, { requestId, actor: "anonymous" })
  )
})

const chatOf = (logic: ServedLogic["Service"]): Chat => ({
  requests,
  handlers: handlersOf(logic),
  within,
  invalid: (detail) => new MessageInvalid({ detail }),
  unavailable,
  toStatus
})

const bound = (server: Server, { host, port }: Options) =>
  Effect.callback<number, Error>((resume) => {
    server.bindAsync(formatAddress({ host, port }), ServerCredentials.createInsecure(), (error, found) => {
      if (error === null) return resume(Effect.succeed(found))
      // The library's error has no code of Node's; a port that is taken is by far the most likely.
      resume(Effect.fail(Object.assign(error, { code: "EADDRINUSE", port, address: host })))
    })
  })

const make = Effect.fnUntraced(function*(options: Options) {
  const logic = yield* ServedLogic
  const run = yield* FiberSet.makeRuntime<SecureRandom.SecureRandom>()
  const server = new Server({
    "grpc.max_receive_message_length": messageMax,
    "grpc.max_send_message_length": messageMax,
    "grpc.max_concurrent_streams": 1_000,
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 5_000,
    "grpc.so_reuseport": 0
  })
  server.addService(service, implementation(chatOf(logic), (work) => run(work)))
  const signals = yield* Effect.serviceOption(TraceSignals)
  if (Option.isSome(signals)) {
    server.addService(Signals.service, implementation(serviceOf(signals.value), (work) => run(work)))
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
  Layer.effectDiscard(Effect.flatMap(make(options), (port) => onListening(formatAddress({ host: options.host, port }))))
