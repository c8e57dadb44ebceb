/** What the index should say: the entities as they are now, with the names of others that they show. */
import { Context, type Effect } from "effect"
import type { EntityId } from "../domain/Entity.ts"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"
import type { IdRange, IndexEntry, RangeDigest } from "./IdRange.ts"
import type { IndexWrite } from "./SearchDocument.ts"

export class SearchSource extends Context.Service<SearchSource, {
  /** In any order; a tombstone for what was removed, nothing for what never was or is long forgotten. */
  readonly load: (ids: ReadonlyArray<EntityId>) => Effect.Effect<ReadonlyArray<IndexWrite>, StoreUnavailable>
  /** Of all that exists, of every kind, the first `limit` beyond `after`, in the order of their ids. */
  readonly page: (
    after: EntityId | undefined,
    limit: number
  ) => Effect.Effect<ReadonlyArray<IndexWrite>, StoreUnavailable>
  /** How many entities there are, of every kind. */
  readonly count: Effect.Effect<number, StoreUnavailable>
  /**
   * The next `limit` ranges beyond `after`, of `rangeSize` entities each, and what they say. Together the ranges of all
   * pages hold every id that there can be: the first is open at its beginning, the last, which alone may hold fewer, at
   * its end.
   */
  readonly digests: (
    after: EntityId | undefined,
    limit: number
  ) => Effect.Effect<ReadonlyArray<{ readonly range: IdRange; readonly digest: RangeDigest }>, StoreUnavailable>
  /** Of all that exists in `range`, the first `limit` in the order of their ids. */
  readonly entries: (range: IdRange, limit: number) => Effect.Effect<ReadonlyArray<IndexEntry>, StoreUnavailable>
  /** As `load`, but only what can be compared. */
  readonly entriesOf: (ids: ReadonlyArray<EntityId>) => Effect.Effect<ReadonlyArray<IndexEntry>, StoreUnavailable>
  /** Those of `ids` with a committed change that the index has not been told of, as far as anybody knows. */
  readonly underWay: (ids: ReadonlyArray<EntityId>) => Effect.Effect<ReadonlyArray<EntityId>, StoreUnavailable>
}>()("wordloom/search/SearchSource") {}
