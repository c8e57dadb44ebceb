/** The gateway's side of a push: gives the message to the members that it holds. */
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { Effect, Layer } from "effect"
import { RpcServer } from "effect/rpc"
import { SocketServer } from "effect/socket"
import { PushFailed } from "../../src/realtime/RealtimeErrors.ts"
import { Rooms } from "../../src/realtime/Rooms.ts"
import { received } from "../../src/telemetry/Carriers.ts"
import { CurrentRequest } from "../../src/telemetry/CurrentRequest.ts"
import { withoutStack } from "../../src/telemetry/Spans.ts"
import { TraceCarrier } from "../../src/telemetry/TraceCarrier.ts"
import { frameHeaders, type Pushed, PushProtocol, serialization } from "./PushProtocol.ts"

/** Pushes that are worked on at once; more wait in their sockets. */
const concurrency = 256

const handlers = (gatewayId: string) =>
  PushProtocol.toLayer(Effect.map(Rooms, (rooms) => {
    const give = Effect.fnUntraced(function*(gateway_id: string, { headers, message }: Pushed) {
      const context = yield* received("tcp", frameHeaders.read(headers))
      const parent = (yield* TraceCarrier).extract(context)
      const pushed = gateway_id === gatewayId
        ? rooms.push(message, context).pipe(
          Effect.mapError((error) => new PushFailed({ gateway_id, why: "unreachable", detail: error.message }))
        )
        : Effect.fail(new PushFailed({ gateway_id, why: "refused", detail: `this is gateway ${gatewayId}` }))
      return yield* pushed.pipe(
        Effect.tap((users) => Effect.annotateCurrentSpan("user_count", users)),
        Effect.withSpan("gateway.push.receive", {
          kind: "server",
          ...(parent === undefined ? { root: true } : { parent }),
          attributes: { gateway_id: gatewayId, session_id: message.session_id }
        }, withoutStack),
        Effect.provideService(CurrentRequest, { requestId: message.request_id, actor: message.from_user }),
        Effect.match({ onSuccess: (user_count) => ({ user_count }), onFailure: (error) => error })
      )
    })
    return {
      // Those of one session keep their order: they wait for each other in its room.
      Push: ({ all, gateway_id }) =>
        Effect.forEach(all, (pushed) => give(gateway_id, pushed), { concurrency: "unbounded" })
    }
  }))

export interface Options {
  readonly host: string
  readonly port: number
}

/** Where pushes are taken: needed before the gateway can say where it is. */
export const socket = ({ host, port }: Options) => NodeSocketServer.layer({ host, port })

/** The port that was found. */
export const portOf = Effect.map(
  SocketServer.SocketServer,
  ({ address }) => "port" in address ? address.port : 0
)

/** Needs the socket. */
export const layer = (gatewayId: string) =>
  RpcServer.layer(PushProtocol, { disableTracing: true, concurrency, disableFatalDefects: true }).pipe(
    Layer.provide(handlers(gatewayId)),
    Layer.provide(RpcServer.layerProtocolSocketServer),
    Layer.provide(serialization)
  )
