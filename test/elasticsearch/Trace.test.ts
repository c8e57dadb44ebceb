/** A request to Elasticsearch is a span, and Elasticsearch is told of it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as OpenTelemetry from "../../layers/telemetry/OpenTelemetry.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { Settings } from "../../src/settings/Settings.ts"
import { TraceCarrier } from "../../src/telemetry/TraceCarrier.ts"
import { write } from "../search/SearchFixtures.ts"
import * as RecordedSpans from "../support/RecordedSpans.ts"
import * as ScriptedServer from "./support/ScriptedServer.ts"

const { bulkAnswer, layerOf, refusal } = ScriptedServer

describe("a trace", () => {
  it.effect("goes on in Elasticsearch, and shows the request", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make(bulkAnswer(201), refusal(503, "unavailable"))
      const twice = SearchIndex.use((index) => Effect.andThen(index.write([write()]), index.write([write()])))
      const bulks = yield* twice.pipe(
        Effect.withSpan("outer"),
        Effect.andThen(RecordedSpans.named("es.bulk")),
        Effect.provide([layerOf(server), RecordedSpans.layer])
      )
      assert.deepStrictEqual(
        server.seen.map(({ headers }) => headers["traceparent"]),
        bulks.map(({ spanId, traceId }) => `00-${traceId}-${spanId}-01`)
      )
      assert.deepStrictEqual(bulks.map(({ kind }) => kind), ["client", "client"])
      const [good, bad] = bulks.map(({ attributes }) => Object.fromEntries(attributes))
      assert.deepInclude(good, {
        status: 200,
        took_ms: 7,
        "db.operation.batch.size": 1,
        "db.system.name": "elasticsearch",
        "db.namespace": "words",
        "db.collection.name": "words",
        "db.response.status_code": "200",
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "url.full": `${server.url}/words-write/_bulk`
      })
      assert.deepInclude(bad, { status: 503, "error.type": "es_503" })
      assert.deepStrictEqual(
        bulks.map(({ status }) => status._tag === "Ended" ? status.exit._tag : ""),
        ["Success", "Failure"]
      )
    }))

  it.effect("goes on with the caller's tracestate by the product's own tracer, with no B3, also in a search", () =>
    Effect.gen(function*() {
      const context = {
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03",
        tracestate: "a=1,b@@c=2"
      }
      const server = yield* ScriptedServer.make(bulkAnswer(201), {
        status: 200,
        body: { timed_out: false, hits: { hits: [] } }
      })
      const words = { terms: { words: ["dog"], phrases: [], without: [], prefix: null } }
      const asked = SearchIndex.use(({ recall, write: tell }) =>
        Effect.andThen(tell([write()]), recall(words, 1, undefined))
      )
      const tracer = OpenTelemetry.layer("test").pipe(Layer.provide(Settings.layer({ WORDLOOM_TRACING: "local" })))
      yield* Effect.gen(function*() {
        const parent = (yield* TraceCarrier).extract(context)!
        yield* Effect.withParentSpan(asked, parent)
      }).pipe(Effect.provide([layerOf(server), tracer]))
      assert.strictEqual(server.seen.length, 2)
      for (const { headers } of server.seen) {
        assert.match(
          String(headers["traceparent"]),
          /^00-4bf92f3577b34da6a3ce929d0e0e4736-(?!00f067aa0ba902b7)[0-9a-f]{16}-03$/
        )
        assert.strictEqual(headers["tracestate"], context.tracestate)
        assert.isEmpty(Object.keys(headers).filter((name) => name.includes("b3")))
      }
    }))

  it.effect("is not made up where there is none", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make(bulkAnswer(201))
      yield* SearchIndex.use((index) => index.write([write()])).pipe(
        Effect.withTracerEnabled(false),
        Effect.provide(layerOf(server))
      )
      assert.notProperty(server.seen[0]!.headers, "traceparent")
    }))
})
