/** A request to Elasticsearch is a span, and Elasticsearch is told of it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Tracer } from "effect"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { write } from "../search/SearchFixtures.ts"
import * as ScriptedServer from "./support/ScriptedServer.ts"

const { bulkAnswer, layerOf, refusal } = ScriptedServer

describe("a trace", () => {
  const recording = () => {
    const spans: Array<Tracer.NativeSpan> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    return { spans, layer: Layer.succeed(Tracer.Tracer, tracer) }
  }

  it.effect("goes on in Elasticsearch, and shows the request", () =>
    Effect.gen(function*() {
      const { layer, spans } = recording()
      const server = yield* ScriptedServer.make(bulkAnswer(201), refusal(503, "unavailable"))
      const twice = SearchIndex.use((index) => Effect.andThen(index.write([write()]), index.write([write()])))
      yield* twice.pipe(Effect.withSpan("outer"), Effect.provide([layerOf(server), layer]))
      const bulks = spans.filter(({ name }) => name === "es.bulk")
      assert.deepStrictEqual(
        server.seen.map(({ headers }) => headers["traceparent"]),
        bulks.map(({ spanId, traceId }) => `00-${traceId}-${spanId}-01`)
      )
      assert.deepStrictEqual(bulks.map(({ kind }) => kind), ["client", "client"])
      const [good, bad] = bulks.map(({ attributes }) => Object.fromEntries(attributes))
      assert.deepInclude(good, { status: 200, took_ms: 7, "db.operation.batch.size": 1 })
      assert.deepInclude(bad, { status: 503, "error.type": "es_503" })
      assert.deepStrictEqual(
        bulks.map(({ status }) => status._tag === "Ended" ? status.exit._tag : ""),
        ["Success", "Failure"]
      )
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
