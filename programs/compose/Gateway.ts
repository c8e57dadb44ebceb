/** The gateway: clients' WebSockets, their sessions, and what is pushed to them. It needs neither database nor bus. */
import { Effect, Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import * as LogicClientGrpc from "../../layers/grpc/LogicClientGrpc.ts"
import * as PushServer from "../../layers/push/PushServer.ts"
import * as JsonLogger from "../../layers/telemetry/JsonLogger.ts"
import { Rooms } from "../../src/realtime/Rooms.ts"
import { Settings } from "../../src/settings/Settings.ts"
import * as Border from "./Border.ts"
import { launch } from "./Main.ts"
import * as Realtime from "./Realtime.ts"

const name = "wordloom-gateway"

const gateway = Layer.unwrap(Effect.gen(function*() {
  const { grpcHost, grpcPort, pushHost, pushPort } = yield* Settings
  const gatewayId = Realtime.newGatewayId()
  const rooms = Layer.unwrap(
    Effect.map(
      PushServer.portOf,
      (port) => Rooms.layer({ gateway_id: gatewayId, address: `${pushHost}:${port}` })
    )
  )
  return Layer.merge(PushServer.layer(gatewayId), Realtime.door(gatewayId)).pipe(
    Layer.provide(rooms),
    Layer.provide(PushServer.socket({ host: pushHost, port: pushPort })),
    Layer.provide(LogicClientGrpc.layer(`${grpcHost}:${grpcPort}`)),
    Layer.provide(Realtime.tracers.gateway)
  )
}))

launch(
  gateway.pipe(
    Layer.provide([SecureRandom.layerWebCrypto, Border.layerWithoutDatabase]),
    Layer.provide(JsonLogger.layer(name, process.stdout.isTTY === true)),
    Layer.provide(Settings.layer(process.env))
  )
)
