/** Where a page of hits ended, as text that only its own query takes back. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { EntityId } from "../../src/domain/Entity.ts"
import { decodeCursor, encodeCursor } from "../../src/search/SearchCursor.ts"
import { parseQuery, type SearchQuery } from "../../src/search/SearchQuery.ts"

const id = EntityId.make("019845e1-682f-7b02-a706-3b2422d13aec")
const library_id = EntityId.make("019845e1-682f-7b02-a706-3b2422d13aed")

describe("a cursor", () => {
  const query: SearchQuery = { terms: parseQuery("dog") }

  it.prop("leads back to where it was given out", { score: Schema.Finite }, ({ score }) => {
    assert.deepStrictEqual(decodeCursor(query, encodeCursor(query, { score, id })), { score: score + 0, id })
  })

  it.prop("is not made by chance", { cursor: Schema.String }, ({ cursor }) => {
    assert.isUndefined(decodeCursor(query, cursor))
  })

  it("is good for its own query only", () => {
    const others: ReadonlyArray<SearchQuery> = [
      { terms: parseQuery("dog ") },
      { terms: parseQuery("\"dog\"") },
      { terms: parseQuery("dog -cat") },
      { ...query, kind: "tag" },
      { ...query, library_id },
      { ...query, tag_id: library_id }
    ]
    const cursor = encodeCursor(query, { score: 1, id })
    for (const other of others) assert.isUndefined(decodeCursor(other, cursor))
    assert.isDefined(decodeCursor({ terms: parseQuery("dog"), kind: undefined }, cursor))
    for (const text of [`${cursor}=`, ` ${cursor}`, cursor.slice(1)]) assert.isUndefined(decodeCursor(query, text))
  })
})
