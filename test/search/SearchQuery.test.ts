/** What is typed into the search box always becomes terms, and terms become no more than what was typed. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { isSearchable, parseQuery, queryMax, type SearchTerms, termCount } from "../../src/search/SearchQuery.ts"

const nothing: SearchTerms = { words: [], phrases: [], without: [], prefix: null }

const all = (
  { phrases, prefix, without, words }: SearchTerms
) => [...words, ...phrases, ...without, ...(prefix === null ? [] : [prefix])]

/** Strings of what means something in a query, which chance would seldom put together. */
const pieces = Schema.Literals(["\"", "-", " ", "\n", "\u3000", "a", "b1", "é", "東", "😀", "&", "\0"])
const typed = Arbitrary.map(Arbitrary.array(Arbitrary.schema(pieces)), (parts) => parts.join(""))

describe("parseQuery", () => {
  const examples: ReadonlyArray<readonly [string, Partial<SearchTerms>]> = [
    ["big \"domestic dog\" -cat ca", { words: ["big"], phrases: ["domestic dog"], without: ["cat"], prefix: "ca" }],
    ["", {}],
    ["   ", {}],
    ["dog", { prefix: "dog" }],
    ["dog ", { words: ["dog"] }],
    ["big dog", { words: ["big"], prefix: "dog" }],
    ["dog -cat", { words: ["dog"], without: ["cat"] }],
    ["dog \"cat\"", { words: ["dog"], phrases: ["cat"] }],
    ["\"an open phrase", { phrases: ["an open phrase"] }],
    ["-\"not this\" but", { without: ["not this"], prefix: "but" }],
    ["\"\" \"!\" - -- & dog", { prefix: "dog" }],
    ["dog &", { prefix: "dog" }],
    ["self-made", { prefix: "self-made" }],
    ["東京\u3000大阪", { words: ["東京"], prefix: "大阪" }]
  ]
  for (const [text, terms] of examples) {
    it(`takes ${JSON.stringify(text)} apart`, () => assert.deepStrictEqual(parseQuery(text), { ...nothing, ...terms }))
  }

  it.prop("makes no empty term, and none that was not typed", { any: Schema.String, typed }, ({ any, typed }) => {
    for (const text of [any, typed, `${typed}${any}`, `"${any}`, `-${typed}`]) {
      const terms = all(parseQuery(text))
      for (const term of terms) {
        assert.match(term, /[\p{L}\p{N}]/u)
        assert.strictEqual(term, term.trim())
        // What no store holds stands for a gap between words.
        assert.include(text.replace(/\0|\p{Surrogate}/gu, " "), term)
      }
      assert.isAtMost(terms.join("").length, text.length)
      assert.isAtMost(terms.length, Math.ceil(text.length / 2))
    }
  }, { arbitrary: { runs: 300 } })

  it.prop("takes the last word for a beginning only while nothing follows it", { typed }, ({ typed }) => {
    assert.isNull(parseQuery(`${typed} `).prefix)
    assert.strictEqual(parseQuery(`${typed.replaceAll("\"", "")} end`).prefix, "end")
  }, { arbitrary: { runs: 300 } })

  it("comes to an end with what is hard to take apart", () => {
    for (const text of ["\"", "-", "\"-", "a\"", " "]) {
      assert.isAtMost(termCount(parseQuery(text.repeat(100_000))), 100_000)
    }
  })
})

describe("isSearchable", () => {
  it("wants something to look for", () => {
    assert.isFalse(isSearchable(parseQuery("-cat -\"big dog\"")))
    assert.isTrue(isSearchable(parseQuery("-cat d")))
    assert.isTrue(isSearchable(parseQuery("\"big dog\"")))
  })

  it.prop("never holds without a term", { typed }, ({ typed }) => {
    const terms = parseQuery(typed.slice(0, queryMax))
    assert.isTrue(!isSearchable(terms) || termCount(terms) > 0)
    assert.strictEqual(termCount(terms), all(terms).length)
  }, { arbitrary: { runs: 200 } })
})
