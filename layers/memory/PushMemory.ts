/** Pushes within one process: whoever consumes the bus and whoever holds the clients are the same. */
import { Effect, Layer } from "effect"
import { Push } from "../../src/realtime/Push.ts"
import { PushFailed } from "../../src/realtime/RealtimeErrors.ts"
import { Rooms } from "../../src/realtime/Rooms.ts"

/** Any other gateway in the list is one of a process that has ended. */
export const layer = (gatewayId: string) =>
  Layer.effect(
    Push,
    Effect.map(Rooms, (rooms) =>
      Push.of({
        push: ({ gateway_id }, message, trace) =>
          gateway_id === gatewayId
            ? Effect.mapError(
              rooms.push(message, trace),
              (error) => new PushFailed({ gateway_id, why: "unreachable", detail: error.message })
            )
            : Effect.succeed(0)
      }))
  )
