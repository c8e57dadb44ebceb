/** What a comparison leaves in the database: repairs in the entities' own rows, and when it was and what it found. */
import { Context, type Duration, type Effect } from "effect"
import type { Change } from "../domain/Change.ts"
import type { EntityId, EntityKind } from "../domain/Entity.ts"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"
import type { Counts } from "../search/Drift.ts"

/** An entity of which the index says something else, or something that is no entity (any more). */
export interface Surpassed {
  readonly kind: EntityKind
  readonly id: EntityId
  readonly isOrphan: boolean
  /** What the index says it is a version of; an orphan's removal comes after that. */
  readonly version: number
  /** The index refuses every revision up to this one. */
  readonly above: number
}

export class ReconcileStore extends Context.Service<ReconcileStore, {
  /**
   * Raises the revisions of these above what the index has, their versions staying as they are, and remembers an orphan
   * as removed. Answers the changes to tell the index of; none for what has gone, or come back, meanwhile. Must run
   * inside `Transaction.run`.
   */
  readonly surpass: (all: ReadonlyArray<Surpassed>) => Effect.Effect<ReadonlyArray<Change>, StoreUnavailable>
  /**
   * Of all who ask, one is let in each `every`: it is told what time it is (milliseconds since 1970, by the store's
   * clock), the others `undefined`.
   */
  readonly takeTurn: (every: Duration.Duration) => Effect.Effect<number | undefined, StoreUnavailable>
  /** The turn came to nothing: somebody may take the next one after `delay`. */
  readonly giveBack: (every: Duration.Duration, delay: Duration.Duration) => Effect.Effect<void, StoreUnavailable>
  readonly record: (found: Counts) => Effect.Effect<void, StoreUnavailable>
  /** What was found last; `undefined` before the first time. */
  readonly last: Effect.Effect<Counts | undefined, StoreUnavailable>
  /**
   * Forgets at most `limit` entities that were removed before `before`, and says how many; none of which the index may
   * still have to be told.
   */
  readonly forget: (before: number, limit: number) => Effect.Effect<number, StoreUnavailable>
}>()("wordloom/reconcile/ReconcileStore") {}
