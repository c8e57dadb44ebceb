/** What every search index promises of a query: what is found, in which pages, and what is shown of it. */
import { assert, type Vitest } from "@effect/vitest"
import { Effect, Schema } from "effect"
import type { EntityKind } from "../../src/domain/Entity.ts"
import { find } from "../../src/search/Find.ts"
import type { SearchDocument } from "../../src/search/SearchDocument.ts"
import type { SearchHit, SearchIndex } from "../../src/search/SearchIndex.ts"
import { isSearchable, parseQuery, termCount, termsMax } from "../../src/search/SearchQuery.ts"
import * as Fixtures from "../search/SearchFixtures.ts"

const { assertFound, assertSafe, found, newId, newWord, put, search, write } = Fixtures

type It = Vitest.MethodsNonLive<SearchIndex>

export const terms = (it: It) => {
  it.effect(
    "wants every word, in the title or in the body",
    Effect.fnUntraced(function*() {
      const [a, b, c] = [newWord(), newWord(), newWord()]
      const both = write({ title: `${a} plain`, body: `and ${b}` })
      yield* put(both, write({ title: a }), write({ body: `${b} ${c}` }))
      yield* assertFound(`${a} ${b} `, [both])
      yield* assertFound(`${b.toUpperCase()} ${a}`, [both])
      yield* assertFound(`${a} ${c} `, [])
    })
  )

  it.effect(
    "wants the words of a phrase together and in their order",
    Effect.fnUntraced(function*() {
      const [a, b] = [newWord(), newWord()]
      const one = write({ body: `the ${a}, ${b} of it` })
      const other = write({ body: `${b} before ${a} ${newWord()} ${b}` })
      yield* put(one, other)
      yield* assertFound(`"${a} ${b}"`, [one])
      yield* assertFound(`"${a} ${b}`, [one])
      yield* assertFound(`${a} ${b} `, [one, other])
    })
  )

  it.effect(
    "leaves out what has an unwanted word or phrase",
    Effect.fnUntraced(function*() {
      const [a, b, c] = [newWord(), newWord(), newWord()]
      const [plain, titled] = [write({ title: a }), write({ title: `${a} ${b}` })]
      yield* put(plain, titled, write({ title: a, body: `${b} ${c}` }))
      yield* assertFound(`${a} -${b}`, [plain])
      yield* assertFound(`${a} -"${b} ${c}"`, [plain, titled])
    })
  )

  it.effect(
    "takes the last word for a beginning, unless something follows it",
    Effect.fnUntraced(function*() {
      const [a, b] = [newWord(), newWord()]
      const [one, start] = [write({ title: `${a} whole`, body: b }), a.slice(0, 20)]
      yield* put(one)
      yield* assertFound(start, [one])
      yield* assertFound(`${b} ${start}`, [one])
      yield* assertFound(`${start} `, [])
      yield* assertFound(`${start} ${b}`, [])
    })
  )

  it.effect(
    "misses no word that begins so, however many there are",
    Effect.fnUntraced(function*() {
      const [start, letters] = [newWord(), [..."abcdefghi"]]
      const all = letters.flatMap((one) => letters.map((two) => write({ title: `${start}${one}${two}` })))
      yield* put(...all)
      yield* assertFound(start, all)
    })
  )
}

export const texts = (it: It) => {
  it.effect(
    "finds every word, whatever stands around it",
    Effect.fnUntraced(function*() {
      const library_id = newId()
      const dog = write({
        title: "dog, domestic dog, Canis familiaris",
        body: "barks (\"at night\") <loud>",
        library_id
      })
      yield* put(dog)
      const asked = ["dog", "dog,", "canis FAMILIARIS", "\"domestic dog\"", "\"dog, Canis\"", "night", "loud "]
      for (const text of asked) yield* assertFound(text, [dog], { library_id })
      yield* assertFound("\"familiaris dog\"", [], { library_id })
    })
  )

  it.effect(
    "finds words of any script, as they are typed",
    Effect.fnUntraced(function*() {
      const library_id = newId()
      const one = write({ title: "東京都の天気 Größe naïve", body: "Ёлка, Ἑλλάς; हिन्दी — 한국어 カタカナ", library_id })
      yield* put(one)
      const asked = ["東京", "\"東京都\"", "天気 ", "größe ", "NAÏVE", "ёлка ", "हिन्दी ", "한국어 ", "カタカナ "]
      for (const text of asked) yield* assertFound(text, [one], { library_id })
      for (const text of ["大阪", "blau "]) yield* assertFound(text, [], { library_id })
    })
  )

  it.effect.prop(
    "takes any text for words and never for a language",
    { any: Schema.String },
    Effect.fnUntraced(
      function*({ any }) {
        for (const odd of [any, ...Fixtures.oddities]) {
          for (const text of [odd, `${odd}a b`, `"a${odd}b"`, `a -b${odd}c`, `a b${odd}c`]) {
            const terms = parseQuery(text.slice(0, 256))
            if (!isSearchable(terms) || termCount(terms) > termsMax) continue
            assert.isArray((yield* find({ terms }, 1, undefined)).items)
          }
        }
      }
    ),
    { arbitrary: { runs: 5 } }
  )

  it.effect(
    "filters by kind, library and tag, alone and together",
    Effect.fnUntraced(function*() {
      const [word, library_id, tag_id, other] = [newWord(), newId(), newId(), newId()]
      const make = (kind: EntityKind, document: Partial<SearchDocument>) =>
        write({ title: word, ...document }, { kind })
      const both = make("block", { library_id, tag_ids: [other, tag_id] })
      const [inLibrary, tagged] = [
        make("block", { library_id, tag_ids: [other] }),
        make("block", { tag_ids: [tag_id] })
      ]
      const tag = make("tag", {})
      yield* put(both, inLibrary, tagged, tag)
      yield* assertFound(word, [both, inLibrary, tagged, tag])
      yield* assertFound(word, [tag], { kind: "tag" })
      yield* assertFound(word, [both, inLibrary], { library_id })
      yield* assertFound(word, [both, tagged], { tag_id })
      yield* assertFound(word, [both], { kind: "block", library_id, tag_id })
      yield* assertFound(word, [], { kind: "library", library_id })
    })
  )
}

export const pages = (it: It) => {
  it.effect(
    "puts the entity first whose title is what was asked for",
    Effect.fnUntraced(function*() {
      const [a, b] = [newWord(), newWord()]
      const exact = write({ title: `${a.toUpperCase()} ${b}` })
      const others = Array.from({ length: 4 }, () => write({ title: `${b} ${a}`, body: `${a} ${b}` }))
      yield* put(write({ title: `${a} ${b} ${a} ${b}` }), ...others, exact, write({ title: `${a}${b} ${a} ${b}` }))
      for (const text of [`${a} ${b}`, `${a} ${b} `, `"${a} ${b}"`]) {
        assert.strictEqual((yield* found(text))[0], exact.id, text)
      }
    })
  )

  it.effect(
    "visits every hit once, page after page, in one order",
    Effect.fnUntraced(function*() {
      const word = newWord()
      const titles = [word, `${word} b`, `${word} b`, `${word} b`, `a ${word} c d`, "e", "f"]
      const all = titles.map((title) => write({ title, body: `${word} too` }))
      yield* put(...all)
      const query = { terms: parseQuery(word) }
      const whole = yield* find(query, all.length, undefined)
      assert.isNull(whole.next_cursor)
      assert.sameMembers(whole.items.map(({ id }) => id), all.map(({ id }) => id))
      const visited: Array<SearchHit> = []
      let cursor: string | undefined
      do {
        const page = yield* find(query, 2, cursor)
        assert.isAtMost(page.items.length, 2)
        visited.push(...page.items)
        cursor = page.next_cursor ?? undefined
      } while (cursor !== undefined && visited.length < 20)
      assert.deepStrictEqual(visited, [...whole.items])
      assert.deepStrictEqual(visited, visited.toSorted((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1)))
    })
  )

  it.effect(
    "refuses a cursor that is damaged or another query's",
    Effect.fnUntraced(function*() {
      const word = newWord()
      yield* put(write({ title: word }), write({ title: word }), write({ title: word }))
      const query = { terms: parseQuery(word) }
      const cursor = (yield* find(query, 1, undefined)).next_cursor!
      const json = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
      const damaged = [
        "",
        "x",
        "not a cursor!",
        cursor.slice(0, -4),
        json([]),
        json({}),
        json(null),
        json(["a", 1, "b"])
      ]
      for (const each of damaged) {
        assert.strictEqual((yield* Effect.flip(find(query, 1, each)))._tag, "CursorInvalid", each)
      }
      assert.strictEqual((yield* Effect.flip(find({ ...query, kind: "block" }, 1, cursor)))._tag, "CursorInvalid")
    })
  )
}

export const snippets = (it: It) => {
  it.effect(
    "shows the place that was found, marked, in a few lines",
    Effect.fnUntraced(function*() {
      const [word, other, filler] = [newWord(), newWord(), "and so it goes on. ".repeat(400)]
      yield* put(
        write({ title: "plain", body: `${filler}Here is ${word} at last. ${filler}` }),
        write({ title: other })
      )
      const [hit] = yield* search(word)
      assert.include(hit!.snippet, `<mark>${word}</mark>`)
      assert.isBelow(hit!.snippet.length, 1_000)
      assert.include((yield* search(other))[0]!.snippet, other)
    })
  )

  it.effect(
    "never lets text become HTML",
    Effect.fnUntraced(function*() {
      const [word, title] = [newWord(), newWord()]
      const evil = "<script>alert(\"1\")</script> <img src=x onerror='a'> & &lt;b&gt; <mark>"
      const long = `${newWord().repeat(30)}<b>`.repeat(5)
      yield* put(
        write({ title: `<b>${title}</b> ${evil}`, body: `${word} ${evil}` }),
        write({ title: evil, body: `${word} ${long}` }),
        write({ title: `${title} ${evil}` })
      )
      for (const text of [word, title, `${title} alert`]) {
        const hits = yield* search(text)
        assert.strictEqual(hits.length, 2, text)
        for (const { snippet } of hits) assertSafe(snippet)
      }
      assert.match((yield* search(`${word} alert`))[0]!.snippet, /&(lt|#60|#x3c);/i)
    })
  )
}
