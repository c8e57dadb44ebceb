/** Asks the lanes who holds them. */
import { Effect, Layer, Schedule } from "effect"
import { InFlight } from "../../src/outbox/InFlight.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import { databaseNow, Store } from "./StoreMemory.ts"

const lookEvery = Schedule.spaced("50 millis")

export const layer = Layer.effect(
  InFlight,
  Effect.map(Store, (store) => {
    const tokens = (projection: Projection) =>
      Effect.zipWith(store.read, databaseNow, ({ lanes }, now) =>
        new Set(
          lanes.flatMap(({ claim, projection: of }) =>
            of === projection && claim !== null && claim.until > now ? [claim.token] : []
          )
        ))
    return InFlight.of({
      ended: (projection) =>
        Effect.flatMap(tokens(projection), (known) =>
          Effect.repeat(tokens(projection), {
            schedule: lookEvery,
            while: (now) => [...now].some((token) => known.has(token))
          })).pipe(Effect.asVoid)
    })
  })
)
