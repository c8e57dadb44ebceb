/** What Elasticsearch found, as hits with a safe snippet. */
import { Option, Schema } from "effect"
import { EntityId, EntityKind } from "../../src/domain/Entity.ts"
import { escaped, excerpt } from "../../src/domain/Text.ts"
import type { SearchHit } from "../../src/search/SearchIndex.ts"

const Fragments = Schema.optionalKey(Schema.Array(Schema.String))

const Found = Schema.Struct({
  _score: Schema.Finite,
  _source: Schema.Struct({ kind: EntityKind, id: EntityId, title: Schema.String, version: Schema.Int }),
  highlight: Schema.optionalKey(Schema.Struct({ body: Fragments, title: Fragments }))
})

/** `false`: an answer that ran out of time is a part of one. */
const Answer = Schema.Struct({
  timed_out: Schema.Literal(false),
  hits: Schema.Struct({ hits: Schema.Array(Found) })
})
const decodeAnswer = Schema.decodeUnknownOption(Answer)

/** A fragment ends with a word; a word without end must not become a snippet. */
const snippetMax = 400

const plainLength = (html: string): number => html.replace(/<\/?mark>/g, "").replace(/&[^;]{1,8};/g, ".").length

const snippetOf = ({ _source, highlight }: typeof Found.Type): string => {
  const marked = [highlight?.body?.[0], highlight?.title?.[0]]
  const fitting = marked.find((html) => html !== undefined && html !== "" && plainLength(html) <= snippetMax)
  return fitting ?? escaped(excerpt(_source.title, snippetMax))
}

const hitOf = (found: typeof Found.Type): SearchHit => {
  const { id, kind, title, version } = found._source
  return { kind, id, title, snippet: snippetOf(found), score: found._score, version }
}

/** `undefined` when it is not a complete answer to a search. */
export const hitsOf = (body: unknown): ReadonlyArray<SearchHit> | undefined =>
  Option.getOrUndefined(Option.map(decodeAnswer(body), ({ hits }) => hits.hits.map(hitOf)))
