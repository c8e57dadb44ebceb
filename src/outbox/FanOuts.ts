/**
 * A new name of a tag or a library concerns every block that shows it. The request that gives it leaves one line here;
 * whoever drains the search outbox leaves the blocks' rows afterwards, chunk by chunk.
 */
import { Context, type Effect } from "effect"
import type { Change } from "../domain/Change.ts"
import type { EntityId } from "../domain/Entity.ts"
import type { TraceContext } from "../domain/TraceContext.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

export interface Renamed {
  readonly kind: "tag" | "library"
  readonly id: EntityId
  /** The one that has the new name. */
  readonly version: number
}

/** What is not finished yet, on whose behalf. */
export interface FanOut extends Renamed {
  /** Blocks up to this one are done. */
  readonly after: EntityId
  /** How many those are. */
  readonly blocks: number
  /** The same entity has been renamed since: that fan-out reaches every block, so this one has nothing left to do. */
  readonly isSuperseded: boolean
  readonly trace: TraceContext | null
  readonly requestId: string | null
  readonly actor: string
}

export class FanOuts extends Context.Service<FanOuts, {
  /** Must run inside `Transaction.run`, after the change that it follows from. Takes the request and its span along. */
  readonly begin: (renamed: Renamed) => Effect.Effect<void, StoreUnavailable>
  /** How many are not finished; counted up to a bound. */
  readonly pending: Effect.Effect<number, StoreUnavailable>
  /** How many rows of the search outbox come before one that is written now; counted up to `max`. */
  readonly backlog: (max: number) => Effect.Effect<number, StoreUnavailable>
  /**
   * The one whose turn was longest ago of those that nobody else has; nobody else has it before this transaction ends.
   * Must run inside `Transaction.run`.
   */
  readonly take: Effect.Effect<FanOut | undefined, StoreUnavailable>
  /**
   * Raises the revisions of the next blocks that show the entity, at most `limit`, and answers them as changes that
   * are still to be left in the search outbox. Fewer than `limit` were the last, and the fan-out is gone. Must run in
   * the transaction that has taken it.
   */
  readonly advance: (fanOut: FanOut, limit: number) => Effect.Effect<ReadonlyArray<Change>, StoreUnavailable>
}>()("wordloom/outbox/FanOuts") {}
