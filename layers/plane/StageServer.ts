/** Serves stages of the search to other processes. */
import { Effect, Layer } from "effect"
import { RpcServer } from "effect/rpc"
import * as Stages from "../../src/plane/Stages.ts"
import type { Address } from "../../src/settings/SettingKind.ts"
import { StageApi } from "./StageApi.ts"
import { httpProtocol, tcpProtocol } from "./Wires.ts"

/** Our own spans tell it, in the contract's names; a defect of one payload must not close everybody's connection. */
const options = { disableTracing: true, disableFatalDefects: true }

/** Over whatever protocol is given. */
export const served = (wire: "http" | "tcp" | "nats") =>
  RpcServer.layer(StageApi, options).pipe(
    Layer.provide(StageApi.toLayer(Effect.map(Stages.handlers(wire), ({ hydrate, recall }) => ({
      recall: (payload, { headers }) => recall(payload, headers),
      hydrate: (payload, { headers }) => hydrate(payload, headers)
    }))))
  )

/** Frames over TCP, on a port of its own. */
export const tcp = (address: Address) => served("tcp").pipe(Layer.provide(tcpProtocol(address)))

/** A route of an HTTP server. */
export const http = served("http").pipe(Layer.provide(httpProtocol))
