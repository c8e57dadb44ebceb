/** What every search index promises, whichever engine it is. Needs no empty index: its words and ids are its own. */
import { assert, layer, type Vitest } from "@effect/vitest"
import { type Duration, Effect, Layer } from "effect"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import * as Fixtures from "../search/SearchFixtures.ts"
import { type DigestOf, entries, tombstones } from "./SearchEntriesSuite.ts"
import { pages, snippets, terms, texts } from "./SearchQueriesSuite.ts"

const { assertFound, at, found, newWord, put, removal, search, write } = Fixtures

type It = Vitest.MethodsNonLive<SearchIndex>

const writes = (it: It) => {
  it.effect(
    "finds what was written, as it was written",
    Effect.fnUntraced(function*() {
      const title = newWord()
      const one = write({ title, body: "seen" }, { kind: "library", version: 7 })
      assert.deepStrictEqual(yield* put(one), ["Written"])
      const [hit] = yield* search(title)
      assert.deepInclude(hit, { kind: "library", id: one.id, title, version: 7 })
    })
  )

  it.effect(
    "gives each write of a batch its own result, in their order",
    Effect.fnUntraced(function*() {
      const title = newWord()
      const [known, fresh, gone] = [write({ title }, { version: 5 }), write({ title }), write({ title })]
      yield* put(known, gone)
      const tags = yield* put(at(known, 4), fresh, removal(gone.id, 2), write({ body: title }))
      assert.deepStrictEqual(tags, ["Superseded", "Written", "Written", "Written"])
      assert.strictEqual((yield* found(title)).length, 3)
      assert.deepStrictEqual(yield* put(), [])
    })
  )

  it.effect(
    "tells the state that it has, a removal's too",
    Effect.fnUntraced(function*() {
      const { stateOf } = yield* SearchIndex
      const one = write({}, { version: 2, revision: 5 })
      assert.isUndefined(yield* stateOf(one.id))
      yield* put(one)
      assert.deepStrictEqual(yield* stateOf(one.id), { version: 2, revision: 5, deleted: false })
      yield* put({ ...removal(one.id, 3), revision: 6 })
      assert.deepStrictEqual(yield* stateOf(one.id), { version: 3, revision: 6, deleted: true })
    })
  )

  it.effect(
    "keeps words of any length",
    Effect.fnUntraced(function*() {
      const [word, long, endless] = [newWord(), newWord().repeat(15), newWord().repeat(300)]
      const one = write({ title: long, body: `${endless} ${word}` })
      assert.deepStrictEqual(yield* put(one), ["Written"])
      yield* assertFound(`${long} `, [one])
      const hits = yield* search(`${word} `)
      assert.deepStrictEqual(hits.map(({ id }) => id), [one.id])
      assert.isBelow(hits[0]!.snippet.length, 2_000)
    })
  )
}

const versions = (it: It) => {
  it.effect(
    "never lets an older version replace a newer one",
    Effect.fnUntraced(function*() {
      const [old, now] = [newWord(), newWord()]
      const newer = write({ title: now }, { version: 3 })
      assert.deepStrictEqual(yield* put(newer), ["Written"])
      assert.deepStrictEqual(yield* put(write({ title: old }, { id: newer.id, version: 2 })), ["Superseded"])
      yield* assertFound(now, [newer])
      yield* assertFound(old, [])
    })
  )

  it.effect(
    "takes the same version again for superseded, a newer one for all that there is",
    Effect.fnUntraced(
      function*() {
        const [old, now] = [newWord(), newWord()]
        const first = write({ title: old })
        assert.deepStrictEqual(yield* put(first), ["Written"])
        assert.deepStrictEqual(yield* put(first), ["Superseded"])
        assert.deepStrictEqual(yield* put(write({ title: now }, { id: first.id, version: 2 })), ["Written"])
        yield* assertFound(old, [])
        yield* assertFound(now, [first])
      }
    )
  )

  it.effect(
    "takes a later revision of the same version, and no earlier one",
    Effect.fnUntraced(function*() {
      const [title, before, now] = [newWord(), newWord(), newWord()]
      const named = (name: string, revision: number) => ({ ...write({ title, tags: [name] }), id: first.id, revision })
      const first = write({ title, tags: [before] })
      assert.deepStrictEqual(yield* put(first), ["Written"])
      assert.deepStrictEqual(yield* put(named(now, 3)), ["Written"])
      assert.deepStrictEqual(yield* put(named(before, 2)), ["Superseded"])
      yield* assertFound(before, [])
      yield* assertFound(`${title} ${now}`, [first])
    })
  )

  it.effect(
    "hides what was removed, and keeps it so when an older write comes late",
    Effect.fnUntraced(function*() {
      const title = newWord()
      const one = write({ title })
      assert.deepStrictEqual(yield* put(one), ["Written"])
      assert.deepStrictEqual(yield* put(removal(one.id, 3)), ["Written"])
      assert.deepStrictEqual(yield* put(at(one, 2)), ["Superseded"])
      yield* assertFound(title, [])
      assert.deepStrictEqual(yield* put(at(one, 4)), ["Written"])
      yield* assertFound(title, [one])
    })
  )

  it.effect(
    "remembers the removal of what it has never seen",
    Effect.fnUntraced(function*() {
      const title = newWord()
      const one = write({ title })
      assert.deepStrictEqual(yield* put(removal(one.id, 2)), ["Written"])
      assert.deepStrictEqual(yield* put(one), ["Superseded"])
      yield* assertFound(title, [])
    })
  )

  const { arrivals } = Fixtures
  it.effect.prop(
    "keeps the highest version, in whatever order they come",
    { arrivals },
    Effect.fnUntraced(
      function*({ arrivals }) {
        const title = newWord()
        const one = write({ title })
        let highest = { version: 0, gone: true }
        for (const { gone, version } of arrivals) {
          const [tag] = yield* put(gone ? removal(one.id, version) : at(one, version))
          assert.strictEqual(tag, version > highest.version ? "Written" : "Superseded")
          if (version > highest.version) highest = { version, gone }
        }
        assert.strictEqual((yield* (yield* SearchIndex).stateOf(one.id))?.version, highest.version)
        yield* assertFound(title, highest.gone ? [] : [one])
      }
    ),
    { arbitrary: { runs: 15 } }
  )
}

export const suite = <E>(options: {
  readonly name: string
  /** Need not be prepared: the suite does it, twice at once. */
  readonly layer: Layer.Layer<SearchIndex, E>
  /** The number that this engine has for what a document says. */
  readonly digestOf: DigestOf
  /** For starting what is behind it. */
  readonly timeout?: Duration.Input
}) => {
  const twice = SearchIndex.use(({ prepare }) => Effect.all([prepare, prepare], { concurrency: "unbounded" }))
  const prepared = Layer.effectDiscard(twice).pipe(Layer.provideMerge(options.layer))

  layer(prepared, { excludeTestServices: true, timeout: options.timeout ?? "30 seconds" })(
    `SearchIndex (${options.name})`,
    (it) =>
      [writes, versions, terms, texts, pages, snippets, entries(options.digestOf), tombstones].forEach((part) =>
        part(it)
      )
  )
}
