/** Where the API has its searches served: by itself, or by query processes over the wire that the settings name. */
import { Effect, Layer } from "effect"
import * as Stages from "../../src/plane/Stages.ts"
import { Settings } from "../../src/settings/Settings.ts"

/** A wire is only loaded where it is used. */
export const layer = Layer.unwrap(Effect.gen(function*() {
  const { hydrateAddress: hydrate, recallAddress: recall, requestPlane: wire } = yield* Settings
  if (wire === "inproc") return Stages.layer
  const Remote = yield* Effect.promise(() => import("../../layers/plane/RequestPlaneRemote.ts"))
  return Remote.layer({ wire, recall, hydrate })
}))
