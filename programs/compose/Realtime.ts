/** The parts of the realtime chain, and all of them in one process. */
import { type Cause, Deferred, Effect, Layer } from "effect"
import { randomBytes } from "node:crypto"
import { hostname } from "node:os"
import * as MessageBusMemory from "../../layers/memory/MessageBusMemory.ts"
import * as PushMemory from "../../layers/memory/PushMemory.ts"
import * as PresencePostgres from "../../layers/postgres/PresencePostgres.ts"
import * as SessionsPostgres from "../../layers/postgres/SessionsPostgres.ts"
import * as OpenTelemetry from "../../layers/telemetry/OpenTelemetry.ts"
import * as GatewayWebSocket from "../../layers/websocket/GatewayWebSocket.ts"
import * as Logic from "../../src/realtime/Logic.ts"
import * as LogicServing from "../../src/realtime/LogicServing.ts"
import * as RealtimeDestination from "../../src/realtime/RealtimeDestination.ts"
import { Rooms } from "../../src/realtime/Rooms.ts"
import * as TaskRunner from "../../src/realtime/TaskRunner.ts"
import { Settings } from "../../src/settings/Settings.ts"
import { CannotStart } from "./Main.ts"
import { forChain, natsAddress } from "./NatsAddress.ts"
import { OpenDoor } from "./OpenDoor.ts"
import { drain } from "./Workers.ts"

export const tracers = {
  gateway: OpenTelemetry.layer("wordloom-gateway"),
  logic: OpenTelemetry.layer("wordloom-logic"),
  task: OpenTelemetry.layer("wordloom-task")
} as const

/** Every start is another gateway: what the one before held is gone with it. */
export const newGatewayId = () => `${hostname().slice(0, 64)}-${process.pid}-${randomBytes(3).toString("hex")}`

export const stores = Layer.mergeAll(SessionsPostgres.layer, PresencePostgres.layer)

/** Needs the stores. */
export const served = LogicServing.layer.pipe(Layer.provide(Logic.layer), Layer.provide(tracers.logic))

/** Needs the stores and the bus. */
export const relay = drain("realtime", RealtimeDestination.layer)

/** Takes from the bus and pushes; needs the bus, presence and a way to push. */
export const tasked = Layer.unwrap(
  Effect.map(Settings, ({ shutdownGrace }) => TaskRunner.layer({ drainFor: shutdownGrace }))
)

/** Clients' door, and this gateway's word that it is there. */
export const door = (gatewayId: string) =>
  Layer.unwrap(Effect.gen(function*() {
    const { httpHost: host, shutdownGrace: grace, wsPort: port } = yield* Settings
    const isOpen = yield* OpenDoor
    const opened = (url: string) =>
      Effect.andThen(
        Deferred.succeed(isOpen, new URL(url)),
        Effect.logInfo(`gateway listening on ${url}`, { gateway_id: gatewayId })
      )
    return Layer.merge(
      GatewayWebSocket.layer({ host, port, gatewayId, grace }, opened),
      GatewayWebSocket.attending(gatewayId)
    )
  }))

/** The chain still runs for whoever else is there; only this door stays closed. */
const orClosed = Layer.catchCause((cause: Cause.Cause<unknown>) =>
  Layer.effectDiscard(Effect.logWarning("the gateway cannot listen, so realtime has no door here", cause))
)

/** Gateway, logic and task around a bus that lives and ends with the process; the relay is drained by its workers. */
export const inOneProcess = Layer.unwrap(Effect.sync(() => {
  const gatewayId = newGatewayId()
  const rooms = Rooms.layer({ gateway_id: gatewayId, address: "in-process" }).pipe(
    Layer.provide(LogicServing.layerInProcess),
    Layer.provide(served)
  )
  const task = tasked.pipe(Layer.provide(PushMemory.layer(gatewayId)), Layer.provide(tracers.task))
  const open = door(gatewayId).pipe(Layer.provide(tracers.gateway), orClosed)
  return Layer.merge(task, open).pipe(
    Layer.provide(rooms),
    Layer.provide(LogicServing.layerInProcess.pipe(Layer.provide(served)))
  )
}))

/** Its client is only loaded where the settings name a NATS. */
export const natsClient = Layer.unwrap(Effect.gen(function*() {
  const { prefix, url } = yield* natsAddress(forChain)
  const Client = yield* Effect.promise(() => import("../../layers/nats/NatsClient.ts"))
  return Client.layer(url, Client.namesOf(prefix)).pipe(
    Layer.catchTag(
      "BusUnavailable",
      ({ detail }) => Layer.effect(Client.NatsClient, Effect.fail(new CannotStart({ reason: detail })))
    )
  )
}))

/** Between processes. */
export const busBetween = Layer.unwrap(
  Effect.map(Effect.promise(() => import("../../layers/nats/MessageBusNats.ts")), ({ layer }) => layer)
).pipe(Layer.provide(natsClient))

export const bus = MessageBusMemory.layer
