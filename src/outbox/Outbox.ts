/** The changes that are committed but not yet told to everyone: the writing side. */
import { Context, type Effect } from "effect"
import type { Change } from "../domain/Change.ts"
import type { Projection } from "./Projection.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

export class Outbox extends Context.Service<Outbox, {
  /**
   * Leaves one row per change and projection, each with the trace of its own `outbox.enqueue` span.
   * Must run inside `Transaction.run`, after the write that it tells of.
   */
  readonly append: (changes: ReadonlyArray<Change>) => Effect.Effect<void, StoreUnavailable>
  /** As `append`, for those alone who have to hear of it once more. */
  readonly appendTo: (
    projections: ReadonlyArray<Projection>,
    changes: ReadonlyArray<Change>
  ) => Effect.Effect<void, StoreUnavailable>
}>()("wordloom/outbox/Outbox") {}
