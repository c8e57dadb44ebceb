/** Documents and questions for tests that share an index with others: each has ids and words of its own. */
import { assert } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { EntityId } from "../../src/domain/Entity.ts"
import { find } from "../../src/search/Find.ts"
import type { IndexWrite, SearchDocument } from "../../src/search/SearchDocument.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { parseQuery, type SearchQuery } from "../../src/search/SearchQuery.ts"

export const newId = () => EntityId.make(crypto.randomUUID())

const letterOf = (digit: string) => "ghijklmnop"[Number(digit)] ?? ""

/** A word that nothing else in the index has: letters only, so that every engine takes it for one. */
export const newWord = () => `q${crypto.randomUUID().replaceAll("-", "").replace(/\d/g, letterOf)}`

const nothing = { body: "", library_id: null, tag_ids: [], library: null, tags: [] }

export const write = (document: Partial<SearchDocument> = {}, rest: Partial<IndexWrite> = {}): IndexWrite => ({
  kind: "block",
  id: newId(),
  version: 1,
  revision: rest.version ?? 1,
  document: { title: newWord(), ...nothing, ...document },
  ...rest
})

/** The same, as a version of its entity. */
export const at = (write: IndexWrite, version: number): IndexWrite => ({ ...write, version, revision: version })

export const removal = (id: EntityId, version: number): IndexWrite => ({
  kind: "block",
  id,
  version,
  revision: version,
  document: null
})

/** Writes, makes it visible, and gives back how each write went. */
export const put = Effect.fnUntraced(function*(...writes: ReadonlyArray<IndexWrite>) {
  const index = yield* SearchIndex
  const { results } = yield* index.write(writes)
  yield* index.refresh
  return results.map(({ _tag }) => _tag)
})

export type Filters = Omit<SearchQuery, "terms">

export const search = Effect.fnUntraced(function*(text: string, filters?: Filters) {
  const { items } = yield* find({ ...filters, terms: parseQuery(text) }, 100, undefined)
  return items
})

export const found = (text: string, filters?: Filters) =>
  Effect.map(search(text, filters), (hits) => hits.map(({ id }) => id))

/** In whatever order. */
export const assertFound = Effect.fnUntraced(
  function*(text: string, expected: ReadonlyArray<IndexWrite>, filters?: Filters) {
    assert.sameMembers(yield* found(text, filters), expected.map(({ id }) => id), `searching ${text}`)
  }
)

/** The only tags are marks, and nothing else could be taken for HTML. */
export const assertSafe = (html: string) => {
  assert.notMatch(html.replaceAll("<mark>", "").replaceAll("</mark>", ""), /[<>]|&(?!#?\w{1,6};)/, html)
}

const arrival = Schema.Struct({
  version: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 })),
  gone: Schema.Boolean
})
/** The versions of one entity, in the order in which they come. */
export const arrivals = Schema.Array(arrival).check(Schema.isMinLength(1), Schema.isMaxLength(6))

/** What some engine or format takes for more than a letter. */
export const oddities = [
  "\0",
  "\u0002",
  "\ud800",
  "½",
  "\\",
  "'",
  "\"",
  ":*",
  "<->",
  "!",
  "( & | )",
  "AND OR NOT",
  "*:*",
  "{}"
]
