/** Whether a projection has been told of a change yet, read from the store's rows. */
import { Effect, HashMap, Layer } from "effect"
import { type DeliveryState, DeliveryStatus } from "../../src/outbox/DeliveryStatus.ts"
import { Store } from "./StoreMemory.ts"

export const layer = Layer.effect(
  DeliveryStatus,
  Effect.map(Store, (store) =>
    DeliveryStatus.of({
      look: (projection, versions) =>
        Effect.map(store.read, (contents) => {
          const rows = HashMap.toValues(contents.rows).filter((row) => row.projection === projection)
          return versions.map(({ id, version }): DeliveryState => {
            const own = rows.filter(({ change }) => change.id === id && change.version <= version)
            const isDead = own.some(({ change, state }) =>
              change.version === version && state._tag === "Finished" && state.as === "dead"
            )
            return isDead ? "dead" : own.some(({ state }) => state._tag !== "Finished") ? "pending" : "delivered"
          })
        })
    }))
)
