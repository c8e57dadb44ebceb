/** Generations in a real Elasticsearch, and what becomes of writes to an index that is not of this version. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { suite } from "../conformance/GenerationsSuite.ts"
import { found, newWord, put, search, write } from "../search/SearchFixtures.ts"
import { ownIndexes, tell } from "./support/OwnIndexes.ts"

const { layerOf, newName, real, told, withIndex } = await ownIndexes()

const writeOne = (title = newWord()) =>
  SearchIndex.use((index) => Effect.map(index.write([write({ title })]), ({ results }) => tell(results[0])))

/** As an earlier version might have made it: it lacks fields that are asked for, and has one as another type. */
const earlier = (dynamic: "strict" | false) => ({
  mappings: {
    dynamic,
    _meta: { wordloom_mapping: "0123456789abcdef" },
    properties: {
      kind: { type: "keyword" },
      version: { type: "long" },
      title: { type: "text" },
      body: { type: "text" },
      tags: { type: "keyword" }
    }
  }
})

const earlierIndex = Effect.fnUntraced(function*(name: string, title: string) {
  const document = {
    kind: "tag",
    id: "0199e6a0-0000-7000-8000-000000000001",
    version: 1,
    title,
    body: "old",
    tags: ["x"]
  }
  yield* told("PUT", `${name}-000001`, { ...earlier(false), aliases: { [name]: { is_write_index: true } } })
  yield* told("PUT", `${name}-000001/_doc/${document.id}?refresh=true`, document)
})

const guarding = () =>
  describe("an index with another mapping", () => {
    it.live(
      "is searched, but nothing is written to it and nothing buried, until one of ours is live",
      withIndex((name) =>
        Effect.gen(function*() {
          const { generations, prepare } = yield* SearchIndex
          const [old, title] = [newWord(), newWord()]
          yield* earlierIndex(name, old)
          const { cause } = yield* Effect.flip(prepare)
          assert.match(
            (cause as Error).message,
            /-000001 has the mapping 0123456789abcdef and not .*"node programs\/wordloom\.js reindex"$/
          )
          assert.strictEqual(yield* writeOne(), "configuration es_mapping_foreign")
          yield* told("POST", "_aliases", { actions: [{ add: { index: `${name}-000001`, alias: `${name}-write` } }] })
          for (let again = 0; again < 3; again++) {
            assert.strictEqual(yield* writeOne(), "configuration es_mapping_foreign")
          }
          for (const text of [old, `${old} `, `"${old}"`, old.slice(0, 12)]) assert.lengthOf(yield* search(text), 1)
          assert.lengthOf(yield* search(`${old} self-made`), 0)

          assert.deepStrictEqual(yield* generations.list, [{ name: `${name}-000001`, live: true, writable: false }])
          const next = yield* generations.next
          assert.strictEqual(next, `${name}-000002`)
          yield* generations.create(next)
          yield* generations.makeLive(next)
          assert.strictEqual(yield* writeOne(title), "Written")
          yield* (yield* SearchIndex).refresh
          assert.lengthOf(yield* found(title), 1)
          assert.lengthOf(yield* found(old), 0)
          yield* prepare
        })
      )
    )

    it.live(
      "is noticed also when it takes the place of one of ours while writes go on",
      withIndex((name) =>
        Effect.gen(function*() {
          const { prepare } = yield* SearchIndex
          yield* prepare
          assert.strictEqual(yield* writeOne(), "Written")
          yield* told("PUT", `${name}-000002`, earlier("strict"))
          yield* told("POST", "_aliases", {
            actions: [name, `${name}-write`].flatMap((alias) => [
              { remove: { index: `${name}-000001`, alias } },
              { add: { index: `${name}-000002`, alias } }
            ])
          })
          assert.strictEqual(yield* writeOne(), "configuration es_mapping_foreign")
          assert.strictEqual(yield* writeOne(), "configuration es_mapping_foreign")
        })
      )
    )
  })

const aliasing = () =>
  describe("the aliases", () => {
    it.live(
      "lead searches and writes to the live index alone, and each index has one of its own",
      withIndex((name) =>
        Effect.gen(function*() {
          const { generations, prepare } = yield* SearchIndex
          yield* prepare
          yield* generations.create(`${name}-000002`)
          yield* generations.makeLive(`${name}-000002`)
          const { body: indexes } = yield* told("GET", `${name}-*/_alias`)
          assert.deepStrictEqual(indexes, {
            [`${name}-000001`]: { aliases: { [`${name}-000001-write`]: {} } },
            [`${name}-000002`]: {
              aliases: { [name]: {}, [`${name}-write`]: { is_write_index: true }, [`${name}-000002-write`]: {} }
            }
          })
        })
      )
    )

    it.live(
      "are completed where an index of this mapping has only the one for searches",
      withIndex((name) =>
        Effect.gen(function*() {
          const { prepare } = yield* SearchIndex
          yield* prepare
          const remove = { index: `${name}-000001`, aliases: [`${name}-write`, `${name}-000001-write`] }
          yield* told("POST", "_aliases", { actions: [{ remove }] })
          assert.strictEqual(yield* writeOne(), "configuration es_index_missing")
          yield* prepare
          assert.deepStrictEqual(yield* put(write()), ["Written"])
        })
      )
    )

    it.live(
      "are not mistaken for those of another index whose name begins alike",
      withIndex((name) =>
        Effect.gen(function*() {
          const other = `${name}-test`
          yield* SearchIndex.use(({ prepare }) => prepare)
          yield* Effect.provide(SearchIndex.use(({ prepare }) => prepare), layerOf(other))
          const { generations } = yield* SearchIndex
          assert.deepStrictEqual((yield* generations.list).map((each) => each.name), [`${name}-000001`])
          assert.strictEqual(yield* generations.next, `${name}-000002`)
        })
      )
    )
  })

if ("missing" in real) {
  it.skip(`generations (elasticsearch): ${real.missing}`, () => {})
} else {
  suite({ name: "elasticsearch", layer: layerOf(newName()), timeout: "60 seconds" })
  guarding()
  aliasing()
}
