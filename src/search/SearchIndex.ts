/** The read model that people search in. */
import { Context, type Effect, Schema } from "effect"
import type { EngineCall } from "../delivery/EngineCall.ts"
import type { Failure } from "../delivery/Failure.ts"
import { EntityId, EntityKind } from "../domain/Entity.ts"
import type { CursorInvalid, Page } from "../domain/Paging.ts"
import type { Generations } from "./Generations.ts"
import type { IdRange, IndexEntry, RangeDigest } from "./IdRange.ts"
import type { IndexWrite } from "./SearchDocument.ts"
import type { SearchQuery, SearchTerms } from "./SearchQuery.ts"
import { SearchUnavailable } from "./SearchUnavailable.ts"

export { SearchUnavailable }

export const SearchHit = Schema.Struct({
  kind: EntityKind,
  id: EntityId,
  title: Schema.String,
  /** HTML: escaped text of at most a few lines, with the terms that were found in `<mark>`. */
  snippet: Schema.String,
  /** Comparable within one answer only. */
  score: Schema.Number,
  version: Schema.Int
})
export type SearchHit = typeof SearchHit.Type

/** What a search found, before anybody has looked what it says. */
export const Found = Schema.Struct({ id: EntityId, score: Schema.Number })
export type Found = typeof Found.Type

export type WriteResult =
  | { readonly _tag: "Written" }
  /** The index has this revision or a later one. */
  | { readonly _tag: "Superseded" }
  | { readonly _tag: "Failed"; readonly failure: Failure }

export interface Written {
  /** One per write, in their order. */
  readonly results: ReadonlyArray<WriteResult>
  readonly calls: ReadonlyArray<EngineCall>
  /** The engine refused or missed a request as a whole, which says nothing about the writes in it. */
  readonly refused?: Failure | undefined
}

/** Another generation than the live one. */
export interface Target {
  readonly generation: string
  /** What is written is found by a search of that generation when the write ends. */
  readonly visible?: boolean
}

export interface IndexState {
  readonly version: number
  readonly revision: number
  readonly deleted: boolean
}

export class SearchIndex extends Context.Service<SearchIndex, {
  readonly engine: "postgres" | "elasticsearch"
  /** The same in every process that serves this index, whichever generation is live. */
  readonly name: string
  readonly generations: Generations
  /** Makes the index if it is not there; refuses one with a foreign mapping. Safe to run twice at once. */
  readonly prepare: Effect.Effect<void, SearchUnavailable>
  /**
   * Never fails as a whole: each write has its result. No id is in `writes` twice. Into the live generation, unless
   * `to` says otherwise.
   */
  readonly write: (writes: ReadonlyArray<IndexWrite>, to?: Target) => Effect.Effect<Written>
  /** Best first; equal scores by id. Tombstones never show. Terms must be `isSearchable`. */
  readonly recall: (
    query: SearchQuery,
    limit: number,
    cursor: string | undefined
  ) => Effect.Effect<Page<Found>, SearchUnavailable | CursorInvalid>
  /** In the order of `found`, at most `limitMax`; what was removed in the meantime is left out. */
  readonly hydrate: (
    terms: SearchTerms,
    found: ReadonlyArray<Found>
  ) => Effect.Effect<ReadonlyArray<SearchHit>, SearchUnavailable>
  /** What has been written is found when this returns. */
  readonly refresh: Effect.Effect<void, SearchUnavailable>
  /** The version and revision that the index has, a tombstone's too; before any refresh. */
  readonly stateOf: (id: EntityId) => Effect.Effect<IndexState | undefined, SearchUnavailable>
  /**
   * What the index says of each range, without tombstones; seen after a refresh. `generation` is the engine's own name
   * for a part of the index that is not searched yet; what is searched when not given.
   */
  readonly digests: (
    ranges: ReadonlyArray<IdRange>,
    generation?: string
  ) => Effect.Effect<ReadonlyArray<RangeDigest>, SearchUnavailable>
  /**
   * The first `limit` of a range in the order of their ids, without tombstones; seen after a refresh. The digests here
   * and below are of what the documents really say.
   */
  readonly entries: (
    range: IdRange,
    limit: number,
    generation?: string
  ) => Effect.Effect<ReadonlyArray<IndexEntry>, SearchUnavailable>
  /** Those of `ids` that the index has, tombstones too, in any order; before any refresh. */
  readonly entriesOf: (
    ids: ReadonlyArray<EntityId>,
    generation?: string
  ) => Effect.Effect<ReadonlyArray<IndexEntry>, SearchUnavailable>
  /**
   * Forgets at most `limit` tombstones that were written before `before` (milliseconds since 1970), as long as nothing
   * newer has taken their place; says how many there were. For so long a late old write must not have been on its way.
   */
  readonly purge: (before: number, limit: number) => Effect.Effect<number, SearchUnavailable>
}>()("wordloom/search/SearchIndex") {}
