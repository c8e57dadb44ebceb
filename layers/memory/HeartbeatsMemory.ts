/** Longer leases, by the store's clock. */
import { Duration, Effect, Layer } from "effect"
import { Heartbeats } from "../../src/outbox/Heartbeats.ts"
import { databaseNow, Store } from "./StoreMemory.ts"

export const layer = Layer.effect(
  Heartbeats,
  Effect.map(Store, (store) =>
    Heartbeats.of({
      extend: (batch, leaseFor) =>
        store.run(Effect.gen(function*() {
          const contents = yield* store.read
          const now = yield* databaseNow
          const until = now + Duration.toMillis(leaseFor) * 1_000
          const held = new Set<number>()
          const lanes = contents.lanes.map(({ claim, ...lane }) => {
            const isHeld = lane.projection === batch.projection && claim?.token === batch.token && claim.until > now
            if (!isHeld) return { ...lane, claim }
            for (const id of claim.ids) held.add(id)
            return { ...lane, claim: { ...claim, until } }
          })
          yield* store.write({ ...contents, lanes })
          return held
        }))
    }))
)
