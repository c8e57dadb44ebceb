/** Search in a real Elasticsearch: the promises of the port, and what only this engine can do wrong. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { digestOf } from "../../layers/elasticsearch/DocumentDigest.ts"
import type { IndexWrite } from "../../src/search/SearchDocument.ts"
import { SearchIndex, SearchUnavailable } from "../../src/search/SearchIndex.ts"
import { suite } from "../conformance/SearchIndexSuite.ts"
import { newId, removal, write } from "../search/SearchFixtures.ts"
import { ownIndexes, tell } from "./support/OwnIndexes.ts"

const { layerOf, newName, real, told, withIndex } = await ownIndexes()

/** With an interval the scores could shift between two pages, when Elasticsearch drops old versions in between. */
const layerWithoutRefresh = (index: string) =>
  Layer.effect(
    SearchIndex,
    Effect.map(SearchIndex, (service) => ({
      ...service,
      prepare: Effect.andThen(service.prepare, told("PUT", `${index}/_settings`, { "index.refresh_interval": "-1" }))
    }))
  ).pipe(Layer.provide(layerOf(index)))

/** Writes one document, and says what became of it. */
const writeOne = SearchIndex.use((index) =>
  Effect.map(index.write([write()]), ({ results }) => results.map(tell).join())
)

const prepared = <A, E>(use: (name: string) => Effect.Effect<A, E, SearchIndex>) =>
  withIndex((name) => SearchIndex.use(({ prepare }) => Effect.andThen(prepare, use(name))))

/** Why `prepare` refused. */
const objection = SearchIndex.use(({ prepare }) =>
  Effect.map(Effect.flip(prepare), ({ cause }) => (cause as Error).message)
)

const preparing = () =>
  describe("prepare", () => {
    it.live(
      "makes the first index behind the alias, once",
      withIndex((name) =>
        Effect.gen(function*() {
          const { prepare } = yield* SearchIndex
          yield* Effect.all(Array.from({ length: 8 }, () => prepare), { concurrency: "unbounded" })
          yield* prepare
          const { body } = yield* told("GET", name)
          assert.deepStrictEqual(Object.keys(body), [`${name}-000001`])
          const { aliases, mappings } = body[`${name}-000001`]
          assert.deepStrictEqual(aliases, {
            [name]: {},
            [`${name}-write`]: { is_write_index: true },
            [`${name}-000001-write`]: {}
          })
          assert.strictEqual(mappings.dynamic, "strict")
          assert.match(mappings._meta.wordloom_mapping, /^[0-9a-f]{16}$/)
        })
      )
    )

    it.live(
      "refuses an index in place of the alias",
      withIndex((name) =>
        Effect.gen(function*() {
          yield* told("PUT", name, {})
          assert.strictEqual(yield* objection, `${name} is an index; the name must be free for an alias`)
        })
      )
    )

    it.live(
      "refuses an index that is not ours, or of another mapping",
      withIndex((name) =>
        Effect.gen(function*() {
          yield* told("PUT", `${name}-000001`, { aliases: { [name]: {} } })
          assert.match(yield* objection, /is not an index of this product$/)
          yield* told("PUT", `${name}-000001/_mapping`, { _meta: { wordloom_mapping: "older" } })
          assert.match(
            yield* objection,
            /has the mapping older and not [0-9a-f]{16}: run "node programs\/wordloom\.js reindex"$/
          )
        })
      )
    )

    it.live(
      "refuses to take over an index that its alias does not lead to",
      withIndex((name) =>
        Effect.gen(function*() {
          yield* told("PUT", `${name}-000001`, {})
          assert.strictEqual(yield* objection, `${name}-000001 exists, but the alias ${name} does not lead to it`)
        })
      )
    )
  })

const refusing = () =>
  describe("what Elasticsearch refuses", () => {
    it.live(
      "leaves the rows alone where there is no index, and makes none",
      withIndex((name) =>
        Effect.gen(function*() {
          const { hydrate, recall, refresh, stateOf } = yield* SearchIndex
          assert.strictEqual(yield* writeOne, "configuration es_index_missing")
          assert.strictEqual((yield* told("GET", name)).status, 404)
          const query = { terms: { words: ["lost"], phrases: [], without: [], prefix: null } }
          type Asked = ReadonlyArray<Effect.Effect<unknown, Error>>
          const asked: Asked = [
            recall(query, 1, undefined),
            hydrate(query.terms, [{ id: newId(), score: 1 }]),
            refresh,
            stateOf(newId())
          ]
          for (const each of asked) assert.instanceOf(yield* Effect.flip(each), SearchUnavailable)
        })
      )
    )

    it.live(
      "leaves the rows alone where the alias leads to no index to write to",
      prepared((name) =>
        Effect.gen(function*() {
          const add = { index: `${name}-000001`, alias: `${name}-write`, is_write_index: false }
          yield* told("POST", "_aliases", { actions: [{ add }] })
          assert.strictEqual(yield* writeOne, "configuration es_index_missing")
        })
      )
    )

    for (const block of ["read_only", "read_only_allow_delete", "write"]) {
      it.live(
        `leaves the rows alone while the index is blocked (${block})`,
        prepared((name) =>
          Effect.gen(function*() {
            yield* told("PUT", `${name}/_settings`, { [`index.blocks.${block}`]: true })
            assert.strictEqual(yield* writeOne, "configuration es_block")
            yield* told("PUT", `${name}/_settings`, { [`index.blocks.${block}`]: null })
            assert.strictEqual(yield* writeOne, "Written")
          })
        )
      )
    }

    it.live(
      "buries what does not fit, beside what does, and tells nothing of its content",
      prepared(() =>
        Effect.gen(function*() {
          const [index, fine] = [yield* SearchIndex, write()]
          const misfit = {
            ...fine,
            id: newId(),
            document: { ...fine.document, library_id: { secret: "secret words" } }
          }
          const misnamed = { ...fine, id: "x".repeat(600) }
          const { results } = yield* index.write([fine, misfit, write(), misnamed, write()] as never)
          assert.deepStrictEqual(results.map(tell), [
            "Written",
            "poison es_mapping",
            "Written",
            "poison es_4xx",
            "Written"
          ])
          assert.notInclude(JSON.stringify(results), "secret words")
        })
      )
    )
  })

const removing = () =>
  describe("a removal", () => {
    it.live(
      "is remembered longer than Elasticsearch remembers what it deletes itself",
      prepared((name) =>
        Effect.gen(function*() {
          const index = yield* SearchIndex
          const put = (...writes: ReadonlyArray<IndexWrite>) =>
            Effect.map(index.write(writes), ({ results }) => results.map(tell))
          yield* told("PUT", `${name}/_settings`, { "index.gc_deletes": "10ms" })
          const [ours, deleted] = [write({}, { version: 5 }), write({}, { version: 5 })]
          assert.deepStrictEqual(yield* put(removal(ours.id, 5), deleted), ["Written", "Written"])
          yield* told("DELETE", `${name}/_doc/${deleted.id}`)
          // The other one's version 4 is taken as soon as its deletion is forgotten.
          const forgotten = Effect.andThen(index.refresh, put({ ...deleted, version: 4, revision: 4 }))
          const after = yield* Effect.repeat(forgotten, {
            until: ([result]) => result === "Written",
            schedule: Schedule.spaced("20 millis")
          })
          assert.deepStrictEqual(after, ["Written"])
          assert.deepStrictEqual(yield* put({ ...ours, version: 4, revision: 4 }), ["Superseded"])
          assert.deepStrictEqual(yield* index.stateOf(ours.id), { version: 5, revision: 5, deleted: true })
        })
      )
    )

    it.live(
      "is not purged from under a write that came after it",
      prepared((name) =>
        Effect.gen(function*() {
          const index = yield* SearchIndex
          const one = write({}, { version: 3 })
          yield* index.write([removal(one.id, 2)])
          yield* index.refresh
          // The purge sees the tombstone until the next refresh, but not the write in its place.
          yield* told("PUT", `${name}/_settings`, { "index.refresh_interval": "-1" })
          yield* index.write([one])
          yield* index.purge(Date.now() + 60_000, 10)
          assert.deepStrictEqual(yield* index.stateOf(one.id), { version: 3, revision: 3, deleted: false })
        })
      )
    )
  })

const batching = () =>
  layer(layerOf(newName()), { excludeTestServices: true, timeout: "30 seconds" })("a batch", (it) => {
    it.effect("goes in requests of bounded size, its results in order", () =>
      Effect.gen(function*() {
        const index = yield* SearchIndex
        yield* index.prepare
        const known = Array.from({ length: 300 }, () => write({}, { version: 2 }))
        yield* index.write(known)
        const fresh = Array.from({ length: 1_900 }, () => write())
        const mixed = fresh.flatMap((one, at) => at < 300 ? [one, { ...known[at]!, version: 1 }] : [one])
        const { calls, results } = yield* index.write(mixed)
        const sizes = calls.map(({ attributes }) => attributes["db.operation.batch.size"])
        assert.deepStrictEqual(sizes, [1_000, 1_000, 200])
        const superseded = new Set(known.map(({ id }) => id))
        assert.deepStrictEqual(
          results.map(({ _tag }) => _tag),
          mixed.map(({ id }) => superseded.has(id) ? "Superseded" : "Written")
        )
        assert.strictEqual((yield* index.stateOf(fresh.at(-1)!.id))?.version, 1)
      }))
  })

if ("missing" in real) {
  console.warn(`skipped, Elasticsearch: ${real.missing}`)
  it.skip(`SearchIndex (elasticsearch): ${real.missing}`, () => {})
} else {
  suite({ name: "elasticsearch", layer: layerWithoutRefresh(newName()), digestOf, timeout: "60 seconds" })
  preparing()
  refusing()
  removing()
  batching()
}
