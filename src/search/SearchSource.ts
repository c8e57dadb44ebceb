/** What the index should say: the entities as they are now, with the names of others that they show. */
import { Context, type Effect } from "effect"
import type { EntityId } from "../domain/Entity.ts"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"
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
}>()("wordloom/search/SearchSource") {}
