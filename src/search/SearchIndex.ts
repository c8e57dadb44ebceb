/** The read model that people search in. */
import { Context, type Effect, Schema } from "effect"
import type { EngineCall } from "../delivery/EngineCall.ts"
import type { Failure } from "../delivery/Failure.ts"
import { EntityId, EntityKind } from "../domain/Entity.ts"
import type { Page } from "../domain/Paging.ts"
import type { Generations } from "./Generations.ts"
import type { IndexWrite } from "./SearchDocument.ts"
import type { SearchQuery } from "./SearchQuery.ts"
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

/** The cursor is not one that this query gave out. */
export class CursorInvalid extends Schema.TaggedError<CursorInvalid>("wordloom/search/CursorInvalid")(
  "CursorInvalid",
  {}
) {
  override get message() {
    return "must be a next_cursor of this query"
  }
}

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
  readonly find: (
    query: SearchQuery,
    limit: number,
    cursor: string | undefined
  ) => Effect.Effect<Page<SearchHit>, SearchUnavailable | CursorInvalid>
  /** What has been written is found when this returns. */
  readonly refresh: Effect.Effect<void, SearchUnavailable>
  /** The version and revision that the index has, a tombstone's too; before any refresh. */
  readonly stateOf: (id: EntityId) => Effect.Effect<IndexState | undefined, SearchUnavailable>
}>()("wordloom/search/SearchIndex") {}
