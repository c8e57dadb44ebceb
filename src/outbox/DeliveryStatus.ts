/** Whether a projection has been told of a change yet, as far as its outbox knows. */
import { Context, type Effect } from "effect"
import type { EntityId } from "../domain/Entity.ts"
import type { Projection } from "./Projection.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

export interface Version {
  readonly id: EntityId
  readonly version: number
}

/**
 * `pending`: a row of that version or of an earlier one waits or is in flight. `dead`: its own row is buried; one of an
 * earlier version does not matter, since what came later told the whole entity. `delivered`: neither.
 */
export type DeliveryState = "pending" | "dead" | "delivered"

export class DeliveryStatus extends Context.Service<DeliveryStatus, {
  /** One state per version, in their order and all of one moment. */
  readonly look: (
    projection: Projection,
    versions: ReadonlyArray<Version>
  ) => Effect.Effect<ReadonlyArray<DeliveryState>, StoreUnavailable>
}>()("wordloom/outbox/DeliveryStatus") {}
