/** Where a page of hits ended: opaque to the caller, and good for the query that gave it out only. */
import { Option, Schema } from "effect"
import { createHash } from "node:crypto"
import { EntityId } from "../../src/domain/Entity.ts"
import type { SearchQuery } from "../../src/search/SearchQuery.ts"
import type { Position } from "./SearchRequest.ts"

/** Stands for a query, the same in every process. */
export const fingerprintOf = ({ kind, library_id, tag_id, terms }: SearchQuery): string => {
  const { phrases, prefix, without, words } = terms
  const parts = [words, phrases, without, prefix, kind ?? null, library_id ?? null, tag_id ?? null]
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64url").slice(0, 12)
}

const Cursor = Schema.fromJsonString(Schema.Tuple([Schema.String, Schema.Finite, EntityId]))
const decodeJson = Schema.decodeUnknownOption(Cursor)

export const encode = (fingerprint: string, { id, score }: Position): string =>
  Buffer.from(JSON.stringify([fingerprint, score, id])).toString("base64url")

export const decode = (fingerprint: string, cursor: string): Position | undefined => {
  const found = decodeJson(Buffer.from(cursor, "base64url").toString())
  if (Option.isNone(found)) return undefined
  const [given, score, id] = found.value
  // Only what `encode` makes: the decoders above forgive a lot.
  return given === fingerprint && encode(given, { score, id }) === cursor ? { score, id } : undefined
}
