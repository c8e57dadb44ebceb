/** What Elasticsearch found, and what it shows of it, with a safe snippet. */
import { Option, Schema } from "effect"
import { EntityId, EntityKind } from "../../src/domain/Entity.ts"
import { escaped, excerpt } from "../../src/domain/Text.ts"
import type { Found, SearchHit } from "../../src/search/SearchIndex.ts"

const Fragments = Schema.optionalKey(Schema.Array(Schema.String))

const Document = Schema.Struct({
  _source: Schema.Struct({ kind: EntityKind, id: EntityId, title: Schema.String, version: Schema.Int }),
  highlight: Schema.optionalKey(Schema.Struct({ body: Fragments, title: Fragments }))
})

/** `false`: an answer that ran out of time is a part of one. */
const answer = <A>(hit: Schema.Decoder<A>) =>
  Schema.decodeUnknownOption(
    Schema.Struct({ timed_out: Schema.Literal(false), hits: Schema.Struct({ hits: Schema.Array(hit) }) })
  )
const decodeFound = answer(Schema.Struct({ _id: EntityId, _score: Schema.Finite }))
const decodeDocuments = answer(Document)

/** A fragment ends with a word; a word without end must not become a snippet. */
const snippetMax = 400

const plainLength = (html: string): number => html.replace(/<\/?mark>/g, "").replace(/&[^;]{1,8};/g, ".").length

const snippetOf = ({ _source, highlight }: typeof Document.Type): string => {
  const marked = [highlight?.body?.[0], highlight?.title?.[0]]
  const fitting = marked.find((html) => html !== undefined && html !== "" && plainLength(html) <= snippetMax)
  return fitting ?? escaped(excerpt(_source.title, snippetMax))
}

/** `undefined` when it is not a complete answer to a search. */
export const foundIn = (body: unknown): ReadonlyArray<Found> | undefined =>
  Option.getOrUndefined(
    Option.map(decodeFound(body), ({ hits }) => hits.hits.map(({ _id: id, _score: score }) => ({ id, score })))
  )

/** In the order of `found`; those that the answer lacks are left out. `undefined` as above. */
export const hitsIn = (found: ReadonlyArray<Found>) => (body: unknown): ReadonlyArray<SearchHit> | undefined => {
  const decoded = Option.getOrUndefined(decodeDocuments(body))
  if (decoded === undefined) return undefined
  const byId = new Map(decoded.hits.hits.map((document) => [document._source.id, document]))
  return found.flatMap(({ id, score }) => {
    const document = byId.get(id)
    if (document === undefined) return []
    const { kind, title, version } = document._source
    return [{ kind, id, title, snippet: snippetOf(document), score, version }]
  })
}
