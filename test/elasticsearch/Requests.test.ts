/** What is said to Elasticsearch, word for word: a change here is a change for every index that is out there. */
import { assert, describe, expect, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { bounds, chunksOf, halvesOf, linesOf } from "../../layers/elasticsearch/BulkRequest.ts"
import { firstIndex, foreign, indexBody, liveAliases, ownAliases } from "../../layers/elasticsearch/SearchMapping.ts"
import { hydrateBody, recallBody } from "../../layers/elasticsearch/SearchRequest.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import { parseQuery, type SearchQuery } from "../../src/search/SearchQuery.ts"

const id = EntityId.make("0199e6a0-0000-7000-8000-000000000001")
const library_id = EntityId.make("0199e6a0-0000-7000-8000-000000000002")
const tag_id = EntityId.make("0199e6a0-0000-7000-8000-000000000003")

describe("the index", () => {
  const aliases = { ...liveAliases("words"), ...ownAliases(firstIndex("words")) }

  it("is made so", () => expect(indexBody(aliases)).toMatchSnapshot())

  it("is known by its mark", () => {
    const { mappings } = indexBody(aliases)
    assert.isUndefined(foreign("words", { "words-000001": { mappings } }))
    assert.match(foreign("words", { words: { mappings } }) ?? "", /is an index/)
    const marked = (_meta: Readonly<Record<string, unknown>>) => ({ mappings: { _meta } })
    for (const other of [{}, { mappings: {} }, marked({}), marked({ wordloom_mapping: "x" })]) {
      assert.isString(foreign("words", { "words-000001": { mappings }, "words-000002": other }))
    }
  })
})

describe("a bulk request", () => {
  it("has a document and its version per write, and a document for a removal too", () => {
    const names = { library: "animals", tags: ["pets"] }
    const document = { title: "dog", body: "<b>\"barks\"</b>\n", library_id, tag_ids: [tag_id], ...names }
    expect(linesOf({ kind: "block", id, version: 3, revision: 5, document }, 1_000)).toMatchSnapshot()
    expect(linesOf({ kind: "tag", id, version: 4, revision: 4, document: null }, 1_000)).toMatchSnapshot()
  })

  const items = Arbitrary.array(Arbitrary.schema(Schema.String))
  it.prop("is bounded in items and bytes, and nothing is lost or moved", { items }, ({ items }) => {
    const small = { bytesMax: 40, itemsMax: 3 }
    const chunks = chunksOf(items, small)
    assert.deepStrictEqual(chunks.flat(), items)
    for (const chunk of chunks) {
      assert.isTrue(chunk.length > 0 && chunk.length <= small.itemsMax)
      assert.isTrue(chunk.length === 1 || Buffer.byteLength(chunk.join("")) <= small.bytesMax)
      assert.deepStrictEqual(halvesOf(chunk).flat(), chunk)
    }
  }, { arbitrary: { runs: 200 } })

  it("holds no more than Elasticsearch likes", () => {
    const large = "é".repeat(1_000_000)
    assert.deepStrictEqual(chunksOf([large, large, large, large], bounds).map(({ length }) => length), [2, 2])
    assert.deepStrictEqual(chunksOf(Array(2_500).fill("x"), bounds).map(({ length }) => length), [1_000, 1_000, 500])
    assert.deepStrictEqual(halvesOf(["a", "b"]), [["a"], ["b"]])
  })
})

describe("a search", () => {
  const asked: ReadonlyArray<readonly [string, SearchQuery]> = [
    ["a beginning", { terms: parseQuery("dog") }],
    ["all kinds of terms", { terms: parseQuery("big \"domestic dog\" -cat -\"wild cat\" ca") }],
    ["words that have several pieces", { terms: parseQuery("self-made 東京") }],
    ["all filters", { terms: parseQuery("dog "), kind: "block", library_id, tag_id }]
  ]
  for (const [name, query] of asked) {
    it(`for ${name}`, () => expect(recallBody(query, 20, undefined).query).toMatchSnapshot())
  }
  it("for a further page", () => {
    const { query: _, ...rest } = recallBody({ terms: parseQuery("dog") }, 20, { score: 1.5, id })
    expect(rest).toMatchSnapshot()
  })
  it("for what is shown of what was found", () =>
    expect(hydrateBody(parseQuery("dog -cat ca"), [id])).toMatchSnapshot())
})
