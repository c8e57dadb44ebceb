/** The body of a search: a person's terms in Elasticsearch's words. What was typed never reaches a query language. */
import type { SearchQuery, SearchTerms } from "../../src/search/SearchQuery.ts"

export interface Position {
  readonly score: number
  readonly id: string
}

/** All fields count as one: each word must be in any of them. */
const fields = ["title^3", "tags", "library", "body"] as const
const exactBoost = 1_000

/** The live index may be of an earlier version: what it lacks or has as another type finds nothing until a rebuild. */
const lenient = true

export const findTimeoutMs = 2_000
const fragmentLength = 160

/** What the standard analyzer keeps in one piece: letters and digits, but for the scripts that it takes apart. */
const onePiece = /^(?:(?![\p{sc=Han}\p{sc=Hiragana}])[\p{L}\p{M}\p{N}])+$/u

/** A word such as `self-made` or `東京` has several pieces for the index; they must stand together, like a phrase. */
const together = (query: string) => ({ multi_match: { query, type: "phrase", fields, lenient } })

/**
 * The last word, perhaps unfinished. Of a phrase's last piece the engine looks up only so many continuations, in the
 * alphabet's order; one piece alone has no such bound, so that a short beginning misses nothing.
 */
const beginning = (query: string) =>
  onePiece.test(query)
    ? { multi_match: { query, type: "bool_prefix", operator: "and", fields, lenient } }
    : { multi_match: { query, type: "phrase_prefix", max_expansions: 1_000, fields, lenient } }

const exactTitle = (value: string) => ({
  constant_score: { filter: { term: { "title.exact": value } }, boost: exactBoost }
})

/** The terms as they would stand in a title that consists of nothing else. */
const wholeOf = ({ phrases, prefix, words }: SearchTerms): string =>
  [...words, ...phrases, ...(prefix === null ? [] : [prefix])].join(" ")

const filtersOf = ({ kind, library_id, tag_id }: SearchQuery) => [
  ...(kind === undefined ? [] : [{ term: { kind } }]),
  ...(library_id === undefined ? [] : [{ term: { library_id } }]),
  ...(tag_id === undefined ? [] : [{ term: { tag_ids: tag_id } }])
]

const tombstone = { term: { deleted: true } }

const boolOf = (query: SearchQuery) => {
  const { phrases, prefix, without, words } = query.terms
  return {
    must: [...[...words, ...phrases].map(together), ...(prefix === null ? [] : [beginning(prefix)])],
    // A beginning scores the same wherever it is found: the finished word goes before longer ones.
    should: [exactTitle(wholeOf(query.terms)), ...(prefix === null ? [] : [together(prefix)])],
    must_not: [tombstone, ...without.map(together)],
    filter: filtersOf(query)
  }
}

const highlight = {
  type: "unified",
  encoder: "html",
  pre_tags: ["<mark>"],
  post_tags: ["</mark>"],
  fields: {
    body: { number_of_fragments: 1, fragment_size: fragmentLength, no_match_size: fragmentLength },
    title: { number_of_fragments: 0 }
  }
} as const

const common = { track_total_hits: false, timeout: `${findTimeoutMs}ms` }

/** Asks for one hit more than `limit`, by which a next page is known. */
export const recallBody = (query: SearchQuery, limit: number, after: Position | undefined) => ({
  query: { bool: boolOf(query) },
  sort: [{ _score: "desc" }, { id: { order: "asc", unmapped_type: "keyword" } }],
  ...(after === undefined ? {} : { search_after: [after.score, after.id] }),
  size: limit + 1,
  _source: false,
  ...common
})

/** The terms decide what is marked; they need not match any more, as the document may have changed since. */
export const hydrateBody = (terms: SearchTerms, ids: ReadonlyArray<string>) => {
  const { must, should } = boolOf({ terms })
  return {
    query: { bool: { filter: [{ ids: { values: ids } }], must_not: [tombstone], should: [...must, ...should] } },
    size: ids.length,
    _source: ["kind", "id", "title", "version"],
    highlight,
    ...common
  }
}
