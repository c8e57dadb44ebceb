/** Waiting for what workers have begun, without asking them. */
import { Context, type Effect } from "effect"
import type { Projection } from "./Projection.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

export class InFlight extends Context.Service<InFlight, {
  /**
   * Ends once every batch that was claimed before has ended or lost its lease: whatever was committed before this was
   * asked, all who hold a batch now have had the occasion to read it.
   */
  readonly ended: (projection: Projection) => Effect.Effect<void, StoreUnavailable>
}>()("wordloom/outbox/InFlight") {}
