/** Lengthens the leases of work that is still going on, by a way of its own that the work itself cannot block. */
import { Context, type Duration, type Effect } from "effect"
import type { Batch } from "./Leases.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

export class Heartbeats extends Context.Service<Heartbeats, {
  /** Answers the ids that the batch still holds, for another `leaseFor` from now; none once its lease has ended. */
  readonly extend: (
    batch: Batch,
    leaseFor: Duration.Duration
  ) => Effect.Effect<ReadonlySet<number>, StoreUnavailable>
}>()("wordloom/outbox/Heartbeats") {}
