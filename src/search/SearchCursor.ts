/** Where a page of hits ended: opaque to the caller, and good for the query that gave it out only. */
import { Hash, Option, Result, Schema } from "effect"
import { Base64Url } from "effect/encoding"
import { EntityId } from "../domain/Entity.ts"
import type { SearchQuery } from "./SearchQuery.ts"

/** The last hit of a page. */
export interface Position {
  readonly score: number
  readonly id: EntityId
}

/** Stands for a query, the same in every process; two queries share one by chance once in four billion. */
export const fingerprintOf = ({ kind, library_id, tag_id, terms }: SearchQuery): number => {
  const { phrases, prefix, without, words } = terms
  return Hash.string(JSON.stringify([words, phrases, without, prefix, kind ?? 0, library_id ?? 0, tag_id ?? 0]))
}

const decodeJson = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Tuple([Schema.Int, Schema.Finite, EntityId]))
)

export const encodeCursor = (query: SearchQuery, { id, score }: Position): string =>
  Base64Url.encode(JSON.stringify([fingerprintOf(query), score, id]))

/** `undefined`: the cursor is not one that this query gave out. */
export const decodeCursor = (query: SearchQuery, cursor: string): Position | undefined => {
  const text = Result.getOrUndefined(Base64Url.decodeString(cursor))
  const found = text === undefined ? undefined : Option.getOrUndefined(decodeJson(text))
  if (found === undefined) return undefined
  const position = { score: found[1], id: found[2] }
  // Only what `encodeCursor` makes: the decoders above forgive a lot.
  return encodeCursor(query, position) === cursor ? position : undefined
}
