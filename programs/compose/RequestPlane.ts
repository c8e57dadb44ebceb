/** Where the API has its searches served: by itself, or by query processes over the wire that the settings name. */
import { Effect, Layer } from "effect"
import type { RequestPlane } from "../../src/plane/RequestPlane.ts"
import * as Stages from "../../src/plane/Stages.ts"
import { Settings } from "../../src/settings/Settings.ts"
import * as PlaneNats from "./PlaneNats.ts"

const nats = Layer.unwrap(Effect.gen(function*() {
  const Remote = yield* Effect.promise(() => import("../../layers/plane/RequestPlaneRemote.ts"))
  const { clientProtocol } = yield* Effect.promise(() => import("../../layers/nats/StageWire.ts"))
  return Remote.over({ wire: "nats", recall: clientProtocol, hydrate: clientProtocol })
})).pipe(Layer.provide(PlaneNats.layer))

const byAddress = (wire: "http" | "tcp") =>
  Layer.unwrap(Effect.gen(function*() {
    const { hydrateAddress: hydrate, recallAddress: recall } = yield* Settings
    const Remote = yield* Effect.promise(() => import("../../layers/plane/RequestPlaneRemote.ts"))
    return Remote.layer({ wire, recall, hydrate })
  }))

type Failed = Layer.Error<typeof nats> | Layer.Error<ReturnType<typeof byAddress>>
type Needs = Layer.Services<typeof Stages.layer> | Settings

/** A wire is only loaded where it is used. */
export const layer = Layer.unwrap(
  Effect.map(Settings, ({ requestPlane: wire }): Layer.Layer<RequestPlane, Failed, Needs> => {
    if (wire === "inproc") return Stages.layer
    return wire === "nats" ? nats : byAddress(wire)
  })
)
