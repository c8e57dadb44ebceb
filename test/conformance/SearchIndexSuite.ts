/** What every search index promises, whichever engine it is. Needs no empty index: its words and ids are its own. */
import { assert, layer, type Vitest } from "@effect/vitest"
import { type Duration, Effect, Layer, Schema } from "effect"
import type { EntityKind } from "../../src/domain/Entity.ts"
import type { SearchDocument } from "../../src/search/SearchDocument.ts"
import { type SearchHit, SearchIndex } from "../../src/search/SearchIndex.ts"
import { isSearchable, parseQuery, termCount, termsMax } from "../../src/search/SearchQuery.ts"
import * as Fixtures from "../search/SearchFixtures.ts"

const { assertFound, assertSafe, found, newId, newWord, put, removal, search, write } = Fixtures

type It = Vitest.MethodsNonLive<SearchIndex>

const writes = (it: It) => {
  it.effect("finds what was written, as it was written", Effect.fnUntraced(function*() {
    const title = newWord()
    const one = write({ title, body: "seen" }, { kind: "library", version: 7 })
    assert.deepStrictEqual(yield* put(one), ["Written"])
    const [hit] = yield* search(title)
    assert.deepInclude(hit, { kind: "library", id: one.id, title, version: 7 })
  }))

  it.effect("gives each write of a batch its own result, in their order", Effect.fnUntraced(function*() {
    const title = newWord()
    const [known, fresh, gone] = [write({ title }, { version: 5 }), write({ title }), write({ title })]
    yield* put(known, gone)
    const tags = yield* put({ ...known, version: 4 }, fresh, removal(gone.id, 2), write({ body: title }))
    assert.deepStrictEqual(tags, ["Superseded", "Written", "Written", "Written"])
    assert.strictEqual((yield* found(title)).length, 3)
    assert.deepStrictEqual(yield* put(), [])
  }))

  it.effect("tells the version that it has, a removal's too", Effect.fnUntraced(function*() {
    const { versionOf } = yield* SearchIndex
    const one = write({}, { version: 2 })
    assert.isUndefined(yield* versionOf(one.id))
    yield* put(one)
    assert.strictEqual(yield* versionOf(one.id), 2)
    yield* put(removal(one.id, 3))
    assert.strictEqual(yield* versionOf(one.id), 3)
  }))

  it.effect("keeps words of any length", Effect.fnUntraced(function*() {
    const [word, long, endless] = [newWord(), newWord().repeat(15), newWord().repeat(300)]
    const one = write({ title: long, body: `${endless} ${word}` })
    assert.deepStrictEqual(yield* put(one), ["Written"])
    yield* assertFound(`${long} `, [one])
    const hits = yield* search(`${word} `)
    assert.deepStrictEqual(hits.map(({ id }) => id), [one.id])
    assert.isBelow(hits[0]!.snippet.length, 2_000)
  }))
}

const versions = (it: It) => {
  it.effect("never lets an older version replace a newer one", Effect.fnUntraced(function*() {
    const [old, now] = [newWord(), newWord()]
    const newer = write({ title: now }, { version: 3 })
    assert.deepStrictEqual(yield* put(newer), ["Written"])
    assert.deepStrictEqual(yield* put(write({ title: old }, { id: newer.id, version: 2 })), ["Superseded"])
    yield* assertFound(now, [newer])
    yield* assertFound(old, [])
  }))

  it.effect("takes the same version again for superseded, a newer one for all that there is", Effect.fnUntraced(
    function*() {
      const [old, now] = [newWord(), newWord()]
      const first = write({ title: old })
      assert.deepStrictEqual(yield* put(first), ["Written"])
      assert.deepStrictEqual(yield* put(first), ["Superseded"])
      assert.deepStrictEqual(yield* put(write({ title: now }, { id: first.id, version: 2 })), ["Written"])
      yield* assertFound(old, [])
      yield* assertFound(now, [first])
    }
  ))

  it.effect("hides what was removed, and keeps it so when an older write comes late", Effect.fnUntraced(function*() {
    const title = newWord()
    const one = write({ title })
    assert.deepStrictEqual(yield* put(one), ["Written"])
    assert.deepStrictEqual(yield* put(removal(one.id, 3)), ["Written"])
    assert.deepStrictEqual(yield* put({ ...one, version: 2 }), ["Superseded"])
    yield* assertFound(title, [])
    assert.deepStrictEqual(yield* put({ ...one, version: 4 }), ["Written"])
    yield* assertFound(title, [one])
  }))

  it.effect("remembers the removal of what it has never seen", Effect.fnUntraced(function*() {
    const title = newWord()
    const one = write({ title })
    assert.deepStrictEqual(yield* put(removal(one.id, 2)), ["Written"])
    assert.deepStrictEqual(yield* put(one), ["Superseded"])
    yield* assertFound(title, [])
  }))

  const { arrivals } = Fixtures
  it.effect.prop("keeps the highest version, in whatever order they come", { arrivals }, Effect.fnUntraced(
    function*({ arrivals }) {
      const title = newWord()
      const one = write({ title })
      let highest = { version: 0, gone: true }
      for (const { gone, version } of arrivals) {
        const [tag] = yield* put(gone ? removal(one.id, version) : { ...one, version })
        assert.strictEqual(tag, version > highest.version ? "Written" : "Superseded")
        if (version > highest.version) highest = { version, gone }
      }
      assert.strictEqual(yield* (yield* SearchIndex).versionOf(one.id), highest.version)
      yield* assertFound(title, highest.gone ? [] : [one])
    }
  ), { arbitrary: { runs: 15 } })
}

const terms = (it: It) => {
  it.effect("wants every word, in the title or in the body", Effect.fnUntraced(function*() {
    const [a, b, c] = [newWord(), newWord(), newWord()]
    const both = write({ title: `${a} plain`, body: `and ${b}` })
    yield* put(both, write({ title: a }), write({ body: `${b} ${c}` }))
    yield* assertFound(`${a} ${b} `, [both])
    yield* assertFound(`${b.toUpperCase()} ${a}`, [both])
    yield* assertFound(`${a} ${c} `, [])
  }))

  it.effect("wants the words of a phrase together and in their order", Effect.fnUntraced(function*() {
    const [a, b] = [newWord(), newWord()]
    const one = write({ body: `the ${a}, ${b} of it` })
    const other = write({ body: `${b} before ${a} ${newWord()} ${b}` })
    yield* put(one, other)
    yield* assertFound(`"${a} ${b}"`, [one])
    yield* assertFound(`"${a} ${b}`, [one])
    yield* assertFound(`${a} ${b} `, [one, other])
  }))

  it.effect("leaves out what has an unwanted word or phrase", Effect.fnUntraced(function*() {
    const [a, b, c] = [newWord(), newWord(), newWord()]
    const [plain, titled] = [write({ title: a }), write({ title: `${a} ${b}` })]
    yield* put(plain, titled, write({ title: a, body: `${b} ${c}` }))
    yield* assertFound(`${a} -${b}`, [plain])
    yield* assertFound(`${a} -"${b} ${c}"`, [plain, titled])
  }))

  it.effect("takes the last word for a beginning, unless something follows it", Effect.fnUntraced(function*() {
    const [a, b] = [newWord(), newWord()]
    const [one, start] = [write({ title: `${a} whole`, body: b }), a.slice(0, 20)]
    yield* put(one)
    yield* assertFound(start, [one])
    yield* assertFound(`${b} ${start}`, [one])
    yield* assertFound(`${start} `, [])
    yield* assertFound(`${start} ${b}`, [])
  }))

  it.effect("misses no word that begins so, however many there are", Effect.fnUntraced(function*() {
    const [start, letters] = [newWord(), [..."abcdefghi"]]
    const all = letters.flatMap((one) => letters.map((two) => write({ title: `${start}${one}${two}` })))
    yield* put(...all)
    yield* assertFound(start, all)
  }))
}

const texts = (it: It) => {
  it.effect("finds every word, whatever stands around it", Effect.fnUntraced(function*() {
    const library_id = newId()
    const dog = write({ title: "dog, domestic dog, Canis familiaris", body: "barks (\"at night\") <loud>", library_id })
    yield* put(dog)
    const asked = ["dog", "dog,", "canis FAMILIARIS", "\"domestic dog\"", "\"dog, Canis\"", "night", "loud "]
    for (const text of asked) yield* assertFound(text, [dog], { library_id })
    yield* assertFound("\"familiaris dog\"", [], { library_id })
  }))

  it.effect("finds words of any script, as they are typed", Effect.fnUntraced(function*() {
    const library_id = newId()
    const one = write({ title: "東京都の天気 Größe naïve", body: "Ёлка, Ἑλλάς; हिन्दी — 한국어 カタカナ", library_id })
    yield* put(one)
    const asked = ["東京", "\"東京都\"", "天気 ", "größe ", "NAÏVE", "ёлка ", "हिन्दी ", "한국어 ", "カタカナ "]
    for (const text of asked) yield* assertFound(text, [one], { library_id })
    for (const text of ["大阪", "blau "]) yield* assertFound(text, [], { library_id })
  }))

  it.effect.prop("takes any text for words and never for a language", { any: Schema.String }, Effect.fnUntraced(
    function*({ any }) {
      const { find } = yield* SearchIndex
      for (const odd of [any, ...Fixtures.oddities]) {
        for (const text of [odd, `${odd}a b`, `"a${odd}b"`, `a -b${odd}c`, `a b${odd}c`]) {
          const terms = parseQuery(text.slice(0, 256))
          if (!isSearchable(terms) || termCount(terms) > termsMax) continue
          assert.isArray((yield* find({ terms }, 1, undefined)).items)
        }
      }
    }
  ), { arbitrary: { runs: 5 } })

  it.effect("filters by kind, library and tag, alone and together", Effect.fnUntraced(function*() {
    const [word, library_id, tag_id, other] = [newWord(), newId(), newId(), newId()]
    const make = (kind: EntityKind, document: Partial<SearchDocument>) => write({ title: word, ...document }, { kind })
    const both = make("block", { library_id, tag_ids: [other, tag_id] })
    const [inLibrary, tagged] = [make("block", { library_id, tag_ids: [other] }), make("block", { tag_ids: [tag_id] })]
    const tag = make("tag", {})
    yield* put(both, inLibrary, tagged, tag)
    yield* assertFound(word, [both, inLibrary, tagged, tag])
    yield* assertFound(word, [tag], { kind: "tag" })
    yield* assertFound(word, [both, inLibrary], { library_id })
    yield* assertFound(word, [both, tagged], { tag_id })
    yield* assertFound(word, [both], { kind: "block", library_id, tag_id })
    yield* assertFound(word, [], { kind: "library", library_id })
  }))
}

const pages = (it: It) => {
  it.effect("puts the entity first whose title is what was asked for", Effect.fnUntraced(function*() {
    const [a, b] = [newWord(), newWord()]
    const exact = write({ title: `${a.toUpperCase()} ${b}` })
    const others = Array.from({ length: 4 }, () => write({ title: `${b} ${a}`, body: `${a} ${b}` }))
    yield* put(write({ title: `${a} ${b} ${a} ${b}` }), ...others, exact, write({ title: `${a}${b} ${a} ${b}` }))
    for (const text of [`${a} ${b}`, `${a} ${b} `, `"${a} ${b}"`]) {
      assert.strictEqual((yield* found(text))[0], exact.id, text)
    }
  }))

  it.effect("visits every hit once, page after page, in one order", Effect.fnUntraced(function*() {
    const { find } = yield* SearchIndex
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
  }))

  it.effect("refuses a cursor that is damaged or another query's", Effect.fnUntraced(function*() {
    const { find } = yield* SearchIndex
    const word = newWord()
    yield* put(write({ title: word }), write({ title: word }), write({ title: word }))
    const query = { terms: parseQuery(word) }
    const cursor = (yield* find(query, 1, undefined)).next_cursor!
    const json = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
    const damaged = ["", "x", "not a cursor!", cursor.slice(0, -4), json([]), json({}), json(null), json(["a", 1, "b"])]
    for (const each of damaged) {
      assert.strictEqual((yield* Effect.flip(find(query, 1, each)))._tag, "CursorInvalid", each)
    }
    assert.strictEqual((yield* Effect.flip(find({ ...query, kind: "block" }, 1, cursor)))._tag, "CursorInvalid")
  }))
}

const snippets = (it: It) => {
  it.effect("shows the place that was found, marked, in a few lines", Effect.fnUntraced(function*() {
    const [word, other, filler] = [newWord(), newWord(), "and so it goes on. ".repeat(400)]
    yield* put(write({ title: "plain", body: `${filler}Here is ${word} at last. ${filler}` }), write({ title: other }))
    const [hit] = yield* search(word)
    assert.include(hit!.snippet, `<mark>${word}</mark>`)
    assert.isBelow(hit!.snippet.length, 1_000)
    assert.include((yield* search(other))[0]!.snippet, other)
  }))

  it.effect("never lets text become HTML", Effect.fnUntraced(function*() {
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
  }))
}

export const suite = <E>(options: {
  readonly name: string
  /** Need not be prepared: the suite does it, twice at once. */
  readonly layer: Layer.Layer<SearchIndex, E>
  /** For starting what is behind it. */
  readonly timeout?: Duration.Input
}) => {
  const twice = SearchIndex.use(({ prepare }) => Effect.all([prepare, prepare], { concurrency: "unbounded" }))
  const prepared = Layer.effectDiscard(twice).pipe(Layer.provideMerge(options.layer))

  layer(prepared, { excludeTestServices: true, timeout: options.timeout ?? "30 seconds" })(
    `SearchIndex (${options.name})`,
    (it) => [writes, versions, terms, texts, pages, snippets].forEach((part) => part(it))
  )
}
