/** The changes that are committed but not yet told to everyone: the writing side. */
import { Context, type Effect } from "effect"
import type { Change } from "../domain/Change.ts"
import type { Projection } from "./Projection.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

export class Outbox extends Context.Service<Outbox, {
  /**
   * Leaves one row per change and projection, each with the trace of its own `outbox.enqueue` span.
   * Must run inside `Transaction.run`, after the write that it tells of. `to` is everybody who must hear of every
   * change, if it is not said.
   */
  readonly append: (
    changes: ReadonlyArray<Change>,
    to?: ReadonlyArray<Projection>
  ) => Effect.Effect<void, StoreUnavailable>
}>()("wordloom/outbox/Outbox") {}
