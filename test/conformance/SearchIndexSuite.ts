/** What every search index promises, whichever engine it is. Needs no empty index: its words and ids are its own. */
import { assert, layer, type Vitest } from "@effect/vitest"
import { type Duration, Effect, Layer, Schema } from "effect"
import { EntityId, type EntityKind } from "../../src/domain/Entity.ts"
import type { IndexWrite, SearchDocument } from "../../src/search/SearchDocument.ts"
import { type SearchHit, SearchIndex } from "../../src/search/SearchIndex.ts"
import { isSearchable, parseQuery, type SearchQuery, termCount, termsMax } from "../../src/search/SearchQuery.ts"

type It = Vitest.MethodsNonLive<SearchIndex>

const newId = () => EntityId.make(crypto.randomUUID())

/** A word that nothing else in the index has: letters only, so that every engine takes it for one. */
const newWord = () => `q${crypto.randomUUID().replaceAll("-", "").replace(/\d/g, (digit) => "ghijklmnop"[Number(digit)]!)}`

const write = (document: Partial<SearchDocument>, rest: Partial<IndexWrite> = {}): IndexWrite => ({
  kind: "block",
  id: newId(),
  version: 1,
  document: { title: newWord(), body: "", library_id: null, tag_ids: [], ...document },
  ...rest
})
const removal = (id: EntityId, version: number): IndexWrite => ({ kind: "block", id, version, document: null })

/** Writes, makes it visible, and gives back how each write went. */
const put = (...writes: ReadonlyArray<IndexWrite>) =>
  Effect.gen(function*() {
    const index = yield* SearchIndex
    const { results } = yield* index.write(writes)
    yield* index.refresh
    return results.map(({ _tag }) => _tag)
  })

const search = (text: string, filters: Omit<SearchQuery, "terms"> = {}, limit = 100) =>
  Effect.flatMap(SearchIndex, (index) => index.find({ ...filters, terms: parseQuery(text) }, limit, undefined))

const found = (text: string, filters?: Omit<SearchQuery, "terms">) =>
  Effect.map(search(text, filters), ({ items }) => items.map(({ id }) => id))

const assertFound = Effect.fnUntraced(function*(text: string, expected: ReadonlyArray<IndexWrite>) {
  assert.sameMembers([...yield* found(text)], expected.map(({ id }) => id), `searching ${text}`)
})

const assertSafe = (html: string) => {
  assert.notMatch(html.replaceAll("<mark>", "").replaceAll("</mark>", ""), /[<>]|&(?!#?\w{1,6};)/, html)
}

const writing = (it: It) => {
  it.effect("finds what was written, as it was written", () =>
    Effect.gen(function*() {
      const title = newWord()
      const one = write({ title, body: "seen" }, { kind: "library", version: 7 })
      assert.deepStrictEqual(yield* put(one), ["Written"])
      const [hit] = (yield* search(title)).items
      assert.deepInclude(hit, { kind: "library", id: one.id, title, version: 7 })
    }))

  it.effect("never lets an older version replace a newer one", () =>
    Effect.gen(function*() {
      const [old, now] = [newWord(), newWord()]
      const newer = write({ title: now }, { version: 3 })
      assert.deepStrictEqual(yield* put(newer), ["Written"])
      assert.deepStrictEqual(yield* put(write({ title: old }, { id: newer.id, version: 2 })), ["Superseded"])
      yield* assertFound(now, [newer])
      yield* assertFound(old, [])
    }))

  it.effect("takes the same version again for superseded, and a newer one for all that there is", () =>
    Effect.gen(function*() {
      const [old, now] = [newWord(), newWord()]
      const first = write({ title: old })
      assert.deepStrictEqual(yield* put(first), ["Written"])
      assert.deepStrictEqual(yield* put(first), ["Superseded"])
      assert.deepStrictEqual(yield* put(write({ title: now }, { id: first.id, version: 2 })), ["Written"])
      yield* assertFound(old, [])
      yield* assertFound(now, [first])
    }))

  it.effect("hides what was removed, and keeps it removed when an older write comes late", () =>
    Effect.gen(function*() {
      const word = newWord()
      const one = write({ title: word })
      assert.deepStrictEqual(yield* put(one), ["Written"])
      assert.deepStrictEqual(yield* put(removal(one.id, 3)), ["Written"])
      assert.deepStrictEqual(yield* put({ ...one, version: 2 }), ["Superseded"])
      yield* assertFound(word, [])
      assert.deepStrictEqual(yield* put({ ...one, version: 4 }), ["Written"])
      yield* assertFound(word, [one])
    }))

  it.effect("remembers the removal of what it has never seen", () =>
    Effect.gen(function*() {
      const word = newWord()
      const one = write({ title: word })
      assert.deepStrictEqual(yield* put(removal(one.id, 2)), ["Written"])
      assert.deepStrictEqual(yield* put(one), ["Superseded"])
      yield* assertFound(word, [])
    }))

  it.effect("gives each write of a batch its own result, in their order", () =>
    Effect.gen(function*() {
      const word = newWord()
      const [known, fresh, gone] = [write({ title: word }, { version: 5 }), write({ title: word }), write({ title: word })]
      yield* put(known, gone)
      const tags = yield* put({ ...known, version: 4 }, fresh, removal(gone.id, 2), write({ body: word }))
      assert.deepStrictEqual(tags, ["Superseded", "Written", "Written", "Written"])
      assert.strictEqual((yield* found(word)).length, 3)
      assert.deepStrictEqual(yield* put(), [])
    }))

  it.effect("tells the version that it has, a removal's too", () =>
    Effect.gen(function*() {
      const { versionOf } = yield* SearchIndex
      const one = write({}, { version: 2 })
      assert.isUndefined(yield* versionOf(one.id))
      yield* put(one)
      assert.strictEqual(yield* versionOf(one.id), 2)
      yield* put(removal(one.id, 3))
      assert.strictEqual(yield* versionOf(one.id), 3)
    }))

  const arrivals = Schema.Array(Schema.Struct({ version: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 })), gone: Schema.Boolean }))
    .check(Schema.isMinLength(1), Schema.isMaxLength(6))
  it.effect.prop("keeps the highest version, in whatever order they come", { arrivals }, ({ arrivals }) =>
    Effect.gen(function*() {
      const one = write({ title: newWord() })
      let highest = { version: 0, gone: true }
      for (const { gone, version } of arrivals) {
        const [tag] = yield* put(gone ? removal(one.id, version) : { ...one, version })
        assert.strictEqual(tag, version > highest.version ? "Written" : "Superseded")
        if (version > highest.version) highest = { version, gone }
      }
      assert.strictEqual(yield* (yield* SearchIndex).versionOf(one.id), highest.version)
      yield* assertFound(one.document!.title, highest.gone ? [] : [one])
    }), { arbitrary: { runs: 15 } })
}

const matching = (it: It) => {
  it.effect("wants every word, in the title or in the body", () =>
    Effect.gen(function*() {
      const [a, b, c] = [newWord(), newWord(), newWord()]
      const both = write({ title: `${a} plain`, body: `and ${b}` })
      yield* put(both, write({ title: a }), write({ body: `${b} ${c}` }))
      yield* assertFound(`${a} ${b} `, [both])
      yield* assertFound(`${b.toUpperCase()} ${a}`, [both])
      yield* assertFound(`${a} ${c} `, [])
    }))

  it.effect("wants the words of a phrase together and in their order", () =>
    Effect.gen(function*() {
      const [a, b] = [newWord(), newWord()]
      const one = write({ body: `the ${a}, ${b} of it` })
      const other = write({ body: `${b} before ${a} ${newWord()} ${b}` })
      yield* put(one, other)
      yield* assertFound(`"${a} ${b}"`, [one])
      yield* assertFound(`"${a} ${b}`, [one])
      yield* assertFound(`${a} ${b} `, [one, other])
    }))

  it.effect("leaves out what has an unwanted word or phrase", () =>
    Effect.gen(function*() {
      const [a, b, c] = [newWord(), newWord(), newWord()]
      const [plain, titled, phrased] = [write({ title: a }), write({ title: `${a} ${b}` }), write({ title: a, body: `${b} ${c}` })]
      yield* put(plain, titled, phrased)
      yield* assertFound(`${a} -${b}`, [plain])
      yield* assertFound(`${a} -"${b} ${c}"`, [plain, titled])
    }))

  it.effect("takes the last word for a beginning, unless something follows it", () =>
    Effect.gen(function*() {
      const [a, b] = [newWord(), newWord()]
      const one = write({ title: `${a} whole`, body: b })
      yield* put(one)
      yield* assertFound(a.slice(0, 20), [one])
      yield* assertFound(`${a} ${b.slice(0, 20)}`, [one])
      yield* assertFound(`${a.slice(0, 20)} `, [])
      yield* assertFound(`${a.slice(0, 20)} ${b}`, [])
    }))

  it.effect("misses no word that begins so, however many there are", () =>
    Effect.gen(function*() {
      const start = newWord()
      const letters = [..."abcdefghi"]
      const all = letters.flatMap((one) => letters.map((two) => write({ title: `${start}${one}${two}` })))
      yield* put(...all)
      yield* assertFound(start, all)
    }))

  it.effect("filters by kind, library and tag, alone and together", () =>
    Effect.gen(function*() {
      const [word, library_id, tag_id, other] = [newWord(), newId(), newId(), newId()]
      const make = (kind: EntityKind, document: Partial<SearchDocument>) => write({ title: word, ...document }, { kind })
      const inBoth = make("block", { library_id, tag_ids: [other, tag_id] })
      const inLibrary = make("block", { library_id, tag_ids: [other] })
      const tag = make("tag", {})
      yield* put(inBoth, inLibrary, tag, make("block", { library_id: other, tag_ids: [tag_id] }))
      assert.sameMembers([...yield* found(word, { kind: "tag" })], [tag.id])
      assert.sameMembers([...yield* found(word, { library_id })], [inBoth.id, inLibrary.id])
      assert.sameMembers([...yield* found(word, { library_id, tag_id })], [inBoth.id])
      assert.sameMembers([...yield* found(word, { kind: "library", library_id })], [])
      assert.strictEqual((yield* found(word)).length, 4)
    }))

  it.effect("finds every word of a title that lists several names", () =>
    Effect.gen(function*() {
      const library_id = newId()
      const dog = write({ title: "dog, domestic dog, Canis familiaris", body: "barks (\"all night\")", library_id })
      yield* put(dog)
      for (const text of ["dog", "dog,", "domestic ", "Canis", "canis FAMILIARIS ", "\"domestic dog\"", "\"dog, Canis\"", "night "]) {
        assert.deepStrictEqual(yield* found(text, { library_id }), [dog.id], text)
      }
      assert.deepStrictEqual(yield* found("\"familiaris dog\"", { library_id }), [])
    }))

  it.effect("finds words of any script, as they are typed", () =>
    Effect.gen(function*() {
      const library_id = newId()
      const one = write({ title: "東京都の天気 Größe naïve", body: "Ёлка, Ἑλλάς; हिन्दी — 한국어 カタカナ", library_id })
      yield* put(one)
      for (const text of ["東京", "\"東京都\"", "天気 ", "größe ", "NAÏVE", "ёлка ", "हिन्दी ", "한국어 ", "カタカナ "]) {
        assert.deepStrictEqual(yield* found(text, { library_id }), [one.id], text)
      }
      for (const text of ["大阪", "blau "]) assert.deepStrictEqual(yield* found(text, { library_id }), [], text)
    }))

  it.effect("keeps words of any length", () =>
    Effect.gen(function*() {
      const [word, long, endless] = [newWord(), newWord().repeat(15), newWord().repeat(300)]
      const one = write({ title: long, body: `${endless} ${word}` })
      assert.deepStrictEqual(yield* put(one), ["Written"])
      yield* assertFound(`${long} `, [one])
      const [hit] = (yield* search(`${word} `)).items
      assert.deepInclude(hit, { id: one.id })
      assert.isBelow(hit!.snippet.length, 2_000)
    }))

  it.effect.prop("takes any text for words, never for a language of its own", { text: Schema.String }, ({ text }) =>
    Effect.gen(function*() {
      const word = newWord()
      for (const tried of [text, `${text} ${word}`, `${word} ${text}`, `"${text} ${word}"`, `${word}:* AND (${text} | !`]) {
        const terms = parseQuery(tried.slice(0, 256))
        if (!isSearchable(terms) || termCount(terms) > termsMax) continue
        assert.isArray((yield* (yield* SearchIndex).find({ terms }, 1, undefined)).items)
      }
    }), { arbitrary: { runs: 25 } })
}

const ranking = (it: It) => {
  it.effect("puts the entity first whose title is what was asked for", () =>
    Effect.gen(function*() {
      const [a, b] = [newWord(), newWord()]
      const exact = write({ title: `${a.toUpperCase()} ${b}` })
      yield* put(
        write({ title: `${a} ${b} ${a} ${b}`, body: `${a} ${b}`.repeat(5) }),
        exact,
        write({ title: `${a}${b} ${a} ${b}`, body: `${b} ${a}` })
      )
      for (const text of [`${a} ${b}`, `${a} ${b} `, `"${a} ${b}"`]) assert.strictEqual((yield* found(text))[0], exact.id, text)
    }))

  it.effect("visits every hit once, page after page, in one order", () =>
    Effect.gen(function*() {
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
      const scores = visited.map(({ score }) => score)
      assert.deepStrictEqual(scores, scores.toSorted((a, b) => b - a))
    }))

  it.effect("refuses a cursor that is damaged or another query's", () =>
    Effect.gen(function*() {
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
      const other = yield* Effect.flip(find({ ...query, kind: "block" }, 1, cursor))
      assert.strictEqual(other._tag, "CursorInvalid")
    }))
}

const snippets = (it: It) => {
  it.effect("shows the place that was found, marked, in a few lines", () =>
    Effect.gen(function*() {
      const [word, other] = [newWord(), newWord()]
      const filler = "and so it goes on. ".repeat(400)
      yield* put(write({ title: "plain", body: `${filler}Here is ${word} at last. ${filler}` }), write({ title: other }))
      const { snippet } = (yield* search(word)).items[0]!
      assert.include(snippet, `<mark>${word}</mark>`)
      assert.isBelow(snippet.length, 1_000)
      assert.include((yield* search(other)).items[0]!.snippet, other)
    }))

  it.effect("never lets text become HTML", () =>
    Effect.gen(function*() {
      const [inBody, inTitle] = [newWord(), newWord()]
      const evil = "<script>alert(\"1\")</script> <img src=x onerror='a'> & &lt;b&gt; <mark>"
      const long = `${newWord().repeat(30)}<b>`.repeat(5)
      const texts = [{ title: `<b>${inTitle}</b> ${evil}`, body: `${inBody} ${evil}` }, { title: evil, body: `${inBody} ${long}` }]
      yield* put(...texts.map((text) => write(text)), write({ title: `${inTitle} ${evil}` }))
      for (const text of [inBody, inTitle, `${inTitle} script`]) {
        const { items } = yield* search(text)
        assert.strictEqual(items.length, 2, text)
        for (const { snippet } of items) assertSafe(snippet)
      }
      const bodies = (yield* search(`${inBody} alert`)).items.map(({ snippet }) => snippet)
      assert.include(bodies.join(), "&lt;")
    }))
}

export const suite = <E>(options: {
  readonly name: string
  /** Needs no prepared index: the suite prepares it, twice at once. */
  readonly layer: Layer.Layer<SearchIndex, E>
  /** For starting what is behind it. */
  readonly timeout?: Duration.Input
}) => {
  const prepared = Layer.effectDiscard(SearchIndex.use(({ prepare }) =>
    Effect.all([prepare, prepare], { concurrency: "unbounded" })
  )).pipe(Layer.provideMerge(options.layer))

  layer(prepared, { excludeTestServices: true, timeout: options.timeout ?? "30 seconds" })(
    `SearchIndex (${options.name})`,
    (it) => {
      writing(it)
      matching(it)
      ranking(it)
      snippets(it)
    }
  )
}
