/** How a worker brings new names to blocks: the trace of each chunk, the metrics, and when it looks. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Logger, Metric, Option, Scope } from "effect"
import { TestClock } from "effect/testing"
import { Catalog } from "../../src/catalog/Catalog.ts"
import * as FanOut from "../../src/delivery/FanOut.ts"
import * as OutboxGauges from "../../src/delivery/OutboxGauges.ts"
import { parseTraceparent } from "../../src/domain/TraceContext.ts"
import { FanOuts } from "../../src/outbox/FanOuts.ts"
import type { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import { WakeUps } from "../../src/outbox/WakeUps.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import { claim, done, idsOf, requestedAs, settle } from "../support/Changes.ts"
import * as Spans from "../support/RecordedSpans.ts"
import * as Working from "../support/Working.ts"

const { away, rows, store } = Working
const { only } = Spans
const catalog = Catalog.use.bind(Catalog)
const options = { chunkMax: 2, backlogMax: 4, pollInterval: Duration.seconds(1) }
const make = Effect.provide(FanOut.runOnce(options), Logger.layer([]))

const settled = Effect.gen(function*() {
  const batch = yield* claim({ limit: 1_000 })
  yield* settle(batch, ...idsOf(batch).map(done))
})

/** A library with so many blocks, under a new name since the last request; search has been told of all but that. */
const renamed = Effect.fnUntraced(function*(count: number) {
  const library = yield* catalog(({ create }) => create("library", { name: "animals" }))
  const block = catalog(({ create }) =>
    create("block", { library_id: library.id, title: "dog", body: "", tag_ids: [] })
  )
  yield* Effect.forEach(Array.from({ length: count }), () => block)
  yield* catalog(({ change }) => change("library", library.id, { name: "beasts" }, undefined)).pipe(
    Effect.withSpan("PATCH /api/v1/libraries/:id", { kind: "server", root: true }),
    requestedAs("r-7")
  )
  yield* settled
  return library
})

/** As a worker does, until the test ends; `looks` counts how often it asked whether there is anything. */
const started = Effect.fnUntraced(function*(
  given: { readonly hints?: typeof WakeUps["Service"]; readonly fails?: () => boolean } = {}
) {
  let looks = 0
  const real = yield* FanOuts
  const watched = FanOuts.of({
    ...real,
    pending: Effect.suspend((): Effect.Effect<number, StoreUnavailable> => {
      looks++
      return given.fails?.() === true ? away : real.pending
    })
  })
  yield* FanOut.layer(options).pipe(
    Layer.buildWithScope(yield* Scope.Scope),
    Effect.provideService(FanOuts, watched),
    Effect.provideService(WakeUps, given.hints ?? { count: Effect.succeed(0), beyond: () => Effect.never }),
    Effect.provide(Logger.layer([]))
  )
  return { looks: () => looks }
})

const waiting = Effect.map(rows, (all) => all.filter(({ status }) => status === "pending").length)

describe("the trace of a chunk", () => {
  it.effect("is its own, linked to the request, with the rows' spans in it", () =>
    Effect.gen(function*() {
      const library = yield* renamed(3)
      yield* Effect.withSpan(Effect.andThen(make, make), "the program")
      const request = yield* only("PATCH /api/v1/libraries/:id")
      const chunks = yield* Spans.named("outbox.fan_out")
      const row = "  outbox.enqueue PRODUCER projection=search"
      const trees = yield* Effect.forEach(chunks, (chunk) =>
        Spans.tree(chunk, "projection", "entity_type", "batch_size", "request_id"))
      assert.deepStrictEqual(trees, [
        ["outbox.fan_out projection=search entity_type=library batch_size=2 request_id=r-7", row, row],
        ["outbox.fan_out projection=search entity_type=library batch_size=1 request_id=r-7", row]
      ])
      for (const chunk of chunks) {
        assert.isTrue(Option.isNone(chunk.parent))
        assert.deepStrictEqual(chunk.links.map(({ span }) => [span.traceId, span.spanId]), [
          [request.traceId, request.spanId]
        ])
        assert.strictEqual(chunk.attributes.get("entity_id"), library.id)
        assert.strictEqual(chunk.status._tag, "Ended")
      }
      assert.strictEqual(
        new Set([request, ...chunks].map(({ traceId }) =>
          traceId
        )).size,
        3
      )
      const traces = (yield* rows).slice(-3).map(({ request_id, traceparent }) => [
        parseTraceparent(traceparent)?.traceId,
        request_id
      ])
      assert.deepStrictEqual(traces, [chunks[0]!, chunks[0]!, chunks[1]!].map(({ traceId }) => [traceId, "r-7"]))
    }).pipe(store))

  it.effect("is not there with tracing off, nor in the rows, and nothing is where nothing is to do", () =>
    Effect.gen(function*() {
      yield* Effect.withTracerEnabled(renamed(1), false)
      assert.strictEqual(yield* Effect.withTracerEnabled(make, false), "Made")
      assert.isTrue((yield* rows).every(({ traceparent }) => traceparent === null))
      assert.strictEqual(yield* make, "Idle")
      assert.deepStrictEqual(yield* Spans.all, [])
    }).pipe(store))
})

describe("the metrics of new names", () => {
  it.effect("say how many are on their way, and how many blocks they have reached", () =>
    Effect.gen(function*() {
      yield* renamed(3)
      yield* OutboxGauges.sample
      assert.strictEqual((yield* Metric.value(Metrics.fanOutPending.metric)).value, 1)
      yield* make
      yield* make
      yield* OutboxGauges.sample
      assert.strictEqual((yield* Metric.value(Metrics.fanOutPending.metric)).value, 0)
      assert.strictEqual((yield* Metric.value(Metrics.fanOutBlocks.metric)).count, 3)
    }).pipe(store, Effect.provideServiceEffect(Metric.MetricRegistry, Effect.sync(() => new Map()))))
})

describe("the loop that makes chunks", () => {
  it.effect("fills the outbox to its bound, and goes on when there is room", () =>
    Effect.gen(function*() {
      yield* renamed(9)
      yield* started()
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* waiting, 4)
      yield* settled
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* waiting, 4)
      yield* settled
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* waiting, 1)
    }).pipe(Effect.scoped, store))

  it.effect("looks once in five poll intervals while there is nothing, and leaves no span", () =>
    Effect.gen(function*() {
      const { looks } = yield* started()
      yield* TestClock.adjust("1 minute")
      assert.isBelow(looks(), 25)
      assert.isAbove(looks(), 10)
      assert.deepStrictEqual(yield* Spans.all, [])
    }).pipe(Effect.scoped, store))

  it.effect("comes with a hint, but not with each of many", () =>
    Effect.gen(function*() {
      let count = 0
      const hints = { count: Effect.sync(() => count++), beyond: () => Effect.void }
      const { looks } = yield* started({ hints })
      yield* TestClock.adjust("1 minute")
      assert.isAbove(looks(), 300)
      assert.isBelow(looks(), 610)
    }).pipe(Effect.scoped, store))

  it.effect("goes on after a database that was away", () =>
    Effect.gen(function*() {
      let fails = true
      yield* renamed(1)
      const { looks } = yield* started({ fails: () => fails })
      yield* TestClock.adjust("10 seconds")
      assert.isBelow(looks(), 15)
      assert.strictEqual(yield* waiting, 0)
      fails = false
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* waiting, 1)
    }).pipe(Effect.scoped, store))
})
