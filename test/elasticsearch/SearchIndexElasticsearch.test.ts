/** Search in a real Elasticsearch: the promises of the port, and what only this engine can do wrong. */
import { afterAll, assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as ElasticsearchClient from "../../layers/elasticsearch/ElasticsearchClient.ts"
import * as SearchIndexElasticsearch from "../../layers/elasticsearch/SearchIndexElasticsearch.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import type { IndexWrite } from "../../src/search/SearchDocument.ts"
import { SearchIndex, type WriteResult } from "../../src/search/SearchIndex.ts"
import { suite } from "../conformance/SearchIndexSuite.ts"
import { startElasticsearch } from "./support/RealElasticsearch.ts"

const real = await startElasticsearch()
const url = "url" in real ? real.url : "http://127.0.0.1:1"
const indexes: Array<string> = []

const call = async (method: string, path: string, body?: object) => {
  const json = body === undefined ? {} : { body: JSON.stringify(body) }
  const response = await fetch(`${url}/${path}`, { method, headers: { "content-type": "application/json" }, ...json })
  return { status: response.status, body: await response.json() as any }
}
const told = (method: string, path: string, body?: object) => Effect.promise(() => call(method, path, body))

afterAll(async () => {
  if ("missing" in real) return
  for (const index of indexes) await call("DELETE", index)
  await real.stop()
})

/** A name that no other test has; the indexes that may come to be under it are removed in the end. */
const newName = () => {
  const name = `wordloom-test-${crypto.randomUUID()}`
  indexes.push(name, `${name}-000001`, `${name}-000002`)
  return name
}

const layerOf = (index: string) =>
  SearchIndexElasticsearch.layer.pipe(Layer.provideMerge(ElasticsearchClient.layer({ url, index })))

/** With an interval the scores could shift between two pages, when Elasticsearch drops old versions in between. */
const layerWithoutRefresh = (index: string) =>
  Layer.effect(
    SearchIndex,
    Effect.map(SearchIndex, (service) => ({
      ...service,
      prepare: Effect.andThen(service.prepare, told("PUT", `${index}/_settings`, { "index.refresh_interval": "-1" }))
    }))
  ).pipe(Layer.provide(layerOf(index)))

const write = (title: string, version = 1): IndexWrite => ({
  kind: "tag",
  id: EntityId.make(crypto.randomUUID()),
  version,
  document: { title, body: "", library_id: null, tag_ids: [] }
})

const failed = (result: WriteResult | undefined) =>
  result?._tag === "Failed" ? [result.failure.class, result.failure.errorType] : result?._tag

const withIndex = <A, E>(use: (name: string) => Effect.Effect<A, E, SearchIndex>) => () => {
  const name = newName()
  return Effect.provide(use(name), layerOf(name))
}

const prepared = <A, E>(use: (name: string) => Effect.Effect<A, E, SearchIndex>) =>
  withIndex((name) => SearchIndex.use(({ prepare }) => Effect.andThen(prepare, use(name))))

/** Why `prepare` refused. */
const objection = SearchIndex.use(({ prepare }) => Effect.map(Effect.flip(prepare), ({ cause }) => (cause as Error).message))

const preparing = () =>
  describe("prepare", () => {
    it.live("makes the first index behind the alias, once", withIndex((name) =>
      Effect.gen(function*() {
        const { prepare } = yield* SearchIndex
        yield* Effect.all(Array.from({ length: 8 }, () => prepare), { concurrency: "unbounded" })
        yield* prepare
        const { body } = yield* told("GET", name)
        assert.deepStrictEqual(Object.keys(body), [`${name}-000001`])
        const { aliases, mappings } = body[`${name}-000001`]
        assert.deepStrictEqual(aliases, { [name]: { is_write_index: true } })
        assert.strictEqual(mappings.dynamic, "strict")
        assert.match(mappings._meta.wordloom_mapping, /^[0-9a-f]{16}$/)
      })))

    it.live("refuses an index in place of the alias", withIndex((name) =>
      Effect.gen(function*() {
        yield* told("PUT", name, {})
        assert.strictEqual(yield* objection, `${name} is an index; the name must be free for an alias`)
      })))

    it.live("refuses an index that is not ours, or of another mapping", withIndex((name) =>
      Effect.gen(function*() {
        yield* told("PUT", `${name}-000001`, { aliases: { [name]: {} } })
        assert.match(yield* objection, /is not an index of this product$/)
        yield* told("PUT", `${name}-000001/_mapping`, { _meta: { wordloom_mapping: "older" } })
        assert.match(yield* objection, /has the mapping older and not [0-9a-f]{16}$/)
      })))

    it.live("refuses to take over an index that its alias does not lead to", withIndex((name) =>
      Effect.gen(function*() {
        yield* told("PUT", `${name}-000001`, {})
        assert.strictEqual(yield* objection, `${name}-000001 exists, but the alias ${name} does not lead to it`)
      })))
  })

const refusing = () =>
  describe("what Elasticsearch refuses", () => {
    it.live("leaves the rows alone where there is no index, and makes none", withIndex((name) =>
      Effect.gen(function*() {
        const { find, refresh, versionOf, write: put } = yield* SearchIndex
        const one = write("lost")
        assert.deepStrictEqual(failed((yield* put([one])).results[0]), ["configuration", "es_index_missing"])
        assert.strictEqual((yield* told("GET", name)).status, 404)
        const query = { terms: { words: ["lost"], phrases: [], without: [], prefix: null } }
        for (const asked of [find(query, 1, undefined), refresh, versionOf(one.id)]) {
          assert.strictEqual((yield* Effect.flip<unknown, { readonly _tag: string }, never>(asked))._tag, "SearchUnavailable")
        }
      })))

    it.live("leaves the rows alone where the alias leads to no index to write to", prepared((name) =>
      Effect.gen(function*() {
        const { write: put } = yield* SearchIndex
        yield* told("PUT", `${name}-000002`, { aliases: { [name]: { is_write_index: false } } })
        yield* told("POST", "_aliases", { actions: [{ add: { index: `${name}-000001`, alias: name, is_write_index: false } }] })
        assert.deepStrictEqual(failed((yield* put([write("lost")])).results[0]), ["configuration", "es_index_missing"])
      })))

    for (const block of ["read_only", "read_only_allow_delete", "write"]) {
      it.live(`leaves the rows alone while the index is blocked (${block})`, prepared((name) =>
        Effect.gen(function*() {
          const { write: put } = yield* SearchIndex
          yield* told("PUT", `${name}/_settings`, { [`index.blocks.${block}`]: true })
          assert.deepStrictEqual(failed((yield* put([write("lost")])).results[0]), ["configuration", "es_block"])
          yield* told("PUT", `${name}/_settings`, { [`index.blocks.${block}`]: null })
          assert.strictEqual(failed((yield* put([write("found")])).results[0]), "Written")
        })))
    }

    it.live("buries what does not fit, beside what does, and tells nothing of its content", prepared(() =>
      Effect.gen(function*() {
        const { write: put } = yield* SearchIndex
        const odd = { ...write("odd"), version: 2 }
        const document = { ...odd.document, library_id: { secret: "secret words" } }
        const tooNew = { ...write("odd"), id: "x".repeat(600) }
        const { results } = yield* put([write("one"), { ...odd, document } as never, write("two"), tooNew as never, odd])
        assert.deepStrictEqual(results.map(failed), [
          "Written", ["poison", "es_mapping"], "Written", ["poison", "es_4xx"], "Written"
        ])
        assert.notInclude(JSON.stringify(results), "secret words")
      })))
  })

const batching = () =>
  layer(layerOf(newName()), { excludeTestServices: true, timeout: "30 seconds" })("a batch", (it) => {
    it.effect("goes in requests of bounded size, its results in order", () =>
      Effect.gen(function*() {
        const { prepare, versionOf, write: put } = yield* SearchIndex
        yield* prepare
        const known = Array.from({ length: 300 }, (_, at) => write(`known ${at}`, 2))
        yield* put(known)
        const fresh = Array.from({ length: 1_900 }, (_, at) => write(`fresh ${at}`))
        const mixed = fresh.flatMap((one, at) => at < 300 ? [one, { ...known[at]!, version: 1 }] : [one])
        const { calls, results } = yield* put(mixed)
        assert.deepStrictEqual(calls.map(({ attributes }) => attributes["db.operation.batch.size"]), [1_000, 1_000, 200])
        const superseded = new Set(known.map(({ id }) => id))
        assert.deepStrictEqual(
          results.map(({ _tag }) => _tag),
          mixed.map(({ id }) => superseded.has(id) ? "Superseded" : "Written")
        )
        assert.strictEqual(yield* versionOf(fresh.at(-1)!.id), 1)
      }))
  })

if ("missing" in real) {
  console.warn(`skipped, Elasticsearch: ${real.missing}`)
  it.skip(`SearchIndex (elasticsearch): ${real.missing}`, () => {})
} else {
  suite({ name: "elasticsearch", layer: layerWithoutRefresh(newName()), timeout: "60 seconds" })
  preparing()
  refusing()
  batching()
}
