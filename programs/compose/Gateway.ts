/** The gateway: clients' WebSockets, their sessions, and what is pushed to them. It needs neither database nor bus. */
import { Effect, Layer } from "effect"
import * as LogicClientGrpc from "../../layers/grpc/LogicClientGrpc.ts"
import * as TraceSignalsGrpc from "../../layers/grpc/TraceSignalsGrpc.ts"
import * as PushServer from "../../layers/push/PushServer.ts"
import { layerWithoutDatabase } from "../../src/health/Checks.ts"
import { Rooms } from "../../src/realtime/Rooms.ts"
import { formatAddress } from "../../src/settings/SettingKind.ts"
import { Settings } from "../../src/settings/Settings.ts"
import * as Border from "./Border.ts"
import * as ChainChecks from "./ChainChecks.ts"
import * as Foundation from "./Foundation.ts"
import * as Keeping from "./Keeping.ts"
import { launch } from "./Main.ts"
import { OpenDoor } from "./OpenDoor.ts"
import * as Probes from "./Probes.ts"
import * as Realtime from "./Realtime.ts"

const gateway = Layer.unwrap(Effect.gen(function*() {
  const { grpcHost, grpcPort, pushHost, pushPort } = yield* Settings
  const gatewayId = Realtime.newGatewayId()
  const rooms = Layer.unwrap(
    Effect.map(
      PushServer.portOf,
      (port) => Rooms.layer({ gateway_id: gatewayId, address: formatAddress({ host: pushHost, port }) })
    )
  )
  return Layer.merge(PushServer.layer(gatewayId), Realtime.door(gatewayId)).pipe(
    Layer.provide(rooms),
    Layer.provide(PushServer.socket({ host: pushHost, port: pushPort })),
    Layer.provide(LogicClientGrpc.layer(formatAddress({ host: grpcHost, port: grpcPort }))),
    Layer.provide(Realtime.tracers.gateway)
  )
}))

const probes = Probes.served(({ gatewayHttpPort }) => gatewayHttpPort).pipe(
  Layer.provide(layerWithoutDatabase),
  Layer.provide(ChainChecks.gateway)
)

/** Who has no database hears of others' kept traces by way of logic. */
const keeping = Keeping.layer.pipe(
  Layer.provide(
    Layer.unwrap(
      Effect.map(
        Settings,
        ({ grpcHost, grpcPort }) => TraceSignalsGrpc.layer(formatAddress({ host: grpcHost, port: grpcPort }))
      )
    )
  )
)

launch(
  Layer.mergeAll(gateway, probes, keeping).pipe(
    Layer.provide([OpenDoor.layer, Border.layerWithoutDatabase]),
    Layer.provide(Foundation.layerWithoutDatabase("wordloom-gateway"))
  )
)
