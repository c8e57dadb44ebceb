/** What becomes of writes when Elasticsearch, or the way to it, fails: a scripted server plays each case. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { TestClock } from "effect/testing"
import type { IndexWrite } from "../../src/search/SearchDocument.ts"
import { SearchIndex, type WriteResult } from "../../src/search/SearchIndex.ts"
import { write } from "../search/SearchFixtures.ts"
import * as ScriptedServer from "./support/ScriptedServer.ts"

const { bulkAnswer, layerOf, page, refusal } = ScriptedServer

const tell = (result: WriteResult) =>
  result._tag === "Failed" ? `${result.failure.class} ${result.failure.errorType}` : result._tag

/** Writes to a server that answers so; what became of the writes, the calls, and what the server saw. */
const writing = Effect.fnUntraced(
  function*(writes: ReadonlyArray<IndexWrite>, ...replies: Parameters<typeof ScriptedServer.make>) {
    const server = yield* ScriptedServer.make(...replies)
    const { calls, results } = yield* Effect.provide(SearchIndex.use((index) => index.write(writes)), layerOf(server))
    return { results, calls, told: results.map(tell), seen: server.seen }
  },
  Effect.scoped
)

const some = (count: number) => Array.from({ length: count }, () => write({ title: "dog" }))
/** The documents of a bulk request: every second line, after its action. */
const idsOf = (body: string): ReadonlyArray<string> =>
  body.split("\n").filter((line, at) => at % 2 === 1 && line !== "").map((line) => JSON.parse(line).id)

describe("a bulk request that fails as a whole", () => {
  const damaged = { status: 200, body: "{}", headers: { "content-encoding": "gzip" } }
  const stranger = { status: 200, body: {}, headers: { "x-elastic-product": "" } }
  const cases: ReadonlyArray<readonly [string, ScriptedServer.Reply, string, number]> = [
    ["has too much to do", refusal(429, "es_rejected_execution_exception"), "throttled es_429", 429],
    ["is starting", refusal(503, "master_not_discovered_exception"), "transient es_503", 503],
    ["is away behind a proxy", page(502), "transient es_5xx", 502],
    ["wants a key", refusal(401, "security_exception"), "configuration es_auth", 401],
    ["wants another key", refusal(403, "security_exception"), "configuration es_auth", 403],
    ["is read-only", refusal(403, "cluster_block_exception"), "configuration es_block", 403],
    ["has no such index", refusal(404, "index_not_found_exception"), "configuration es_index_missing", 404],
    ["does not understand us", refusal(400, "illegal_argument_exception"), "configuration es_4xx", 400],
    ["breaks off its JSON", { status: 200, body: "{\"items\":[{\"index\":{\"sta" }, "transient es_response", 0],
    ["answers with a page", page(200), "transient es_response", 200],
    ["answers for too few", bulkAnswer(201), "transient es_response", 200],
    ["answers for too many", bulkAnswer(201, 201, 201), "transient es_response", 200],
    ["damages its compression", damaged, "transient es_response", 0],
    ["is something else", stranger, "configuration es_product", 0],
    ["closes the connection", "closes half-way", "transient es_connect", 0]
  ]
  for (const [what, reply, told, status] of cases) {
    it.effect(`${what}: ${told}`, () =>
      Effect.gen(function*() {
        const out = yield* writing(some(2), reply)
        assert.deepStrictEqual(out.told, [told, told])
        assert.strictEqual(out.seen.length, 1)
        const errorType = told.split(" ")[1]!
        assert.deepInclude(out.calls[0]?.attributes, { status, "error.type": errorType, "db.operation.batch.size": 2 })
      }))
  }
})

describe("a way to Elasticsearch that fails", () => {
  it.effect("may say how long to wait", () =>
    Effect.gen(function*() {
      const { results } = yield* writing(some(1), refusal(503, "unavailable", { "retry-after": "12" }))
      assert.deepNestedInclude(results[0], { "failure.retryAfterMs": 12_000 })
    }))

  it.effect("is not there at all: transient es_connect", () =>
    Effect.gen(function*() {
      const { url } = yield* Effect.scoped(ScriptedServer.make("never answers"))
      const { results } = yield* SearchIndex.use((index) => index.write(some(2))).pipe(Effect.provide(layerOf({ url })))
      assert.deepStrictEqual(results.map(tell), ["transient es_connect", "transient es_connect"])
    }))

  for (const reply of ["never answers", "stops half-way"] as const) {
    it.effect(`${reply}: transient timeout, and the connection is given up`, () =>
      Effect.gen(function*() {
        const server = yield* ScriptedServer.make(reply)
        const fiber = yield* SearchIndex.use((index) => index.write(some(2))).pipe(
          Effect.provide(layerOf(server)),
          Effect.forkChild
        )
        yield* server.hasSeen(1)
        yield* TestClock.adjust("9 seconds")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("2 seconds")
        const { calls, results } = yield* Fiber.join(fiber)
        assert.deepStrictEqual(results.map(tell), ["transient timeout", "transient timeout"])
        assert.deepNestedInclude(results[0], { "failure.detail": "no answer in 10s" })
        assert.deepInclude(calls[0]?.attributes, { status: 0, took_ms: 10_000 })
        yield* server.isGivenUp(1)
      }))
  }

  it.effect("is given up by a worker that stops", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make("never answers")
      const writing = SearchIndex.use((index) => index.write(some(2)))
      const fiber = yield* Effect.forkChild(Effect.provide(writing, layerOf(server)))
      yield* server.hasSeen(1)
      yield* Fiber.interrupt(fiber)
      yield* server.isGivenUp(1)
    }))
})

describe("a bulk request", () => {
  it.effect("gives each item its own result", () =>
    Effect.gen(function*() {
      const reply = bulkAnswer(
        201,
        [409, "version_conflict_engine_exception"],
        [400, "document_parsing_exception", "failed to parse field [kind]. Preview of field's value: 'secret'"],
        [429, "es_rejected_execution_exception"],
        [503, "unavailable_shards_exception"],
        200
      )
      const { calls, results, told } = yield* writing(some(6), reply)
      assert.deepStrictEqual(told, [
        "Written",
        "Superseded",
        "poison es_mapping",
        "throttled es_429",
        "transient es_503",
        "Written"
      ])
      assert.notInclude(JSON.stringify(results), "secret")
      assert.deepInclude(calls[0]?.attributes, {
        "db.system.name": "elasticsearch",
        "db.operation.name": "bulk",
        "db.collection.name": "words",
        "db.operation.batch.size": 6,
        "server.address": "127.0.0.1",
        status: 200,
        took_ms: 7
      })
    }))
})

/** A server that takes what it does not refuse. */
const picky =
  (status: number, type: string, refuses: (ids: ReadonlyArray<string>) => boolean) => (seen: ScriptedServer.Seen) => {
    const ids = idsOf(seen.body)
    return refuses(ids) ? refusal(status, type) : bulkAnswer(...ids.map(() => 201))
  }

describe("a bulk request of many", () => {
  it.effect("is halved while it is too large, its results in order", () =>
    Effect.gen(function*() {
      const writes = some(7)
      const { calls, seen, told } = yield* writing(writes, picky(413, "", (ids) => ids.length > 2))
      assert.deepStrictEqual(told, Array(7).fill("Written"))
      assert.deepStrictEqual(seen.map(({ body }) => idsOf(body).length), [7, 4, 2, 2, 3, 2, 1])
      assert.strictEqual(calls.length, 7)
      assert.deepStrictEqual(
        seen.flatMap(({ body }) => idsOf(body).length > 2 ? [] : idsOf(body)),
        writes.map(({ id }) => id)
      )
    }))

  it.effect("buries the one document that is at fault, and no other", () =>
    Effect.gen(function*() {
      const writes = some(5)
      const large = writes[3]!.id
      const refused = [[413, "", "es_too_large"], [400, "action_request_validation_exception", "es_4xx"]] as const
      for (const [status, type, errorType] of refused) {
        const { told } = yield* writing(writes, picky(status, type, (ids) => ids.includes(large)))
        assert.deepStrictEqual(told, ["Written", "Written", "Written", `poison ${errorType}`, "Written"])
      }
    }))

  it.effect("is not followed by the next while Elasticsearch is down", () =>
    Effect.gen(function*() {
      const first = bulkAnswer(...Array(1_000).fill(201))
      const { calls, seen, told } = yield* writing(some(2_500), first, refusal(503, ""))
      assert.strictEqual(seen.length, 2)
      assert.strictEqual(calls.length, 2)
      assert.deepStrictEqual([...new Set(told.slice(0, 1_000))], ["Written"])
      assert.deepStrictEqual([...new Set(told.slice(1_000))], ["transient es_503"])
      assert.strictEqual(told.length, 2_500)
    }))

  it.effect("says what it wants, compressed and under the key", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make(bulkAnswer(201))
      yield* SearchIndex.use((index) => index.write(some(1))).pipe(
        Effect.provide(layerOf({ url: server.url, apiKey: Redacted.make("a2V5") }))
      )
      const [{ headers, method, url }] = server.seen as [ScriptedServer.Seen]
      assert.strictEqual(`${method} ${url.split("?")[0]}`, "POST /words-write/_bulk")
      const query = Object.fromEntries(new URL(url, server.url).searchParams)
      assert.deepInclude(query, { require_alias: "true", timeout: "8s" })
      assert.deepInclude(headers, {
        authorization: "ApiKey a2V5",
        "content-encoding": "gzip",
        "content-type": "application/vnd.elasticsearch+x-ndjson; compatible-with=9"
      })
    }))
})
