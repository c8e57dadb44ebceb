/** A search in this process, from the terms to what is shown of each hit. */
import { Effect } from "effect"
import { SearchIndex } from "./SearchIndex.ts"
import type { SearchQuery } from "./SearchQuery.ts"

export const find = Effect.fnUntraced(function*(query: SearchQuery, limit: number, cursor: string | undefined) {
  const { hydrate, recall } = yield* SearchIndex
  const { items, next_cursor } = yield* recall(query, limit, cursor)
  return { items: yield* hydrate(query.terms, items), next_cursor }
})
