/** The changes that are committed but not yet told to everyone: the writing side. */
import { Context, type Effect, type Option, type Tracer } from "effect"
import type { Change } from "../domain/Change.ts"
import type { Projection } from "./Projection.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

/** Whose change it is, where one transaction holds those of several requests. */
export interface Cause {
  readonly request: { readonly requestId: string | null; readonly actor: string }
  readonly span: Option.Option<Tracer.AnySpan>
}

export class Outbox extends Context.Service<Outbox, {
  /**
   * Leaves one row per change and projection, each with the trace of its own `outbox.enqueue` span.
   * Must run inside `Transaction.run`, after the write that it tells of. `to` is everybody who must hear of every
   * change, if it is not said. `causes`, one for each change, where it is not the request that this fiber works for.
   */
  readonly append: (
    changes: ReadonlyArray<Change>,
    to?: ReadonlyArray<Projection>,
    causes?: ReadonlyArray<Cause>
  ) => Effect.Effect<void, StoreUnavailable>
}>()("wordloom/outbox/Outbox") {}
