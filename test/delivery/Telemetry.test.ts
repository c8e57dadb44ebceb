/** P-12, P-13: telemetry that breaks changes no row's outcome, its own; one that works counts each once. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Metric, Random, Schema, Tracer } from "effect"
import { TestClock } from "effect/testing"
import { crashes } from "../../src/outbox/Leases.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import * as SafeLogger from "../../src/telemetry/SafeLogger.ts"
import * as SafeTracer from "../../src/telemetry/SafeTracer.ts"
import { changeOf, claim, commit, commitMany, reclaim } from "../support/Changes.ts"
import * as MemoryStores from "../support/MemoryStores.ts"
import * as Spans from "../support/RecordedSpans.ts"
import * as ScriptedDestination from "../support/ScriptedDestination.ts"
import * as Working from "../support/Working.ts"

const { failed, poison, superseded, written } = ScriptedDestination
const { killedAfterClaim, options, reclaimOnce, rows, runOnce, start, working } = Working

const eachItsOwn = ScriptedDestination.layer(({ id }) =>
  Effect.succeed([written, superseded, failed(), poison, failed()][(id - 1) % 5]!)
)

const throwing = () => {
  throw new Error("the telemetry is broken")
}

const brokenTracer = Spans.layerWith(() => SafeTracer.safe(Tracer.make({ span: throwing }), () => {}))
const brokenLogger = Logger.layer([SafeLogger.safe(Logger.make(throwing), () => {})])
class BrokenRegistry extends Map<string, never> {
  override get = throwing
}
const brokenMetrics = Layer.succeed(Metric.MetricRegistry, new BrokenRegistry())
const silent = Logger.layer([])

const result = Effect.map(rows, (all) => all.map(({ attempts, error_type, status }) => [status, attempts, error_type]))

/** What may be said of a row, and what becomes of it: its status, its attempts and why. */
const answers = {
  written: { outcome: written, row: ["done", 1, null] },
  superseded: { outcome: superseded, row: ["done", 1, null] },
  throttled: { outcome: failed(), row: ["pending", 1, "es_429"] },
  transient: { outcome: failed({ class: "transient", errorType: "es_503" }), row: ["pending", 1, "es_503"] },
  poison: { outcome: poison, row: ["dead", 1, "es_mapping"] },
  nothing: { outcome: undefined, row: ["pending", 1, "internal"] }
}

/** Rows that fare differently, one of them after a crash. */
const oneBatch = (telemetry: Layer.Layer<never>, spans = Spans.layer) =>
  Effect.gen(function*() {
    yield* commitMany(5)
    yield* killedAfterClaim
    yield* TestClock.adjust("31 seconds")
    yield* Effect.provide(reclaimOnce, telemetry)
    yield* commit(changeOf())
    yield* Effect.provide(runOnce, telemetry)
    return yield* result
  }).pipe(working(eachItsOwn, { spans }), Random.withSeed("one batch"))

/** A far side that refuses everything for a while, and a row that has killed its workers. */
const outage = (telemetry: Layer.Layer<never>, spans = Spans.layer) =>
  Effect.gen(function*() {
    let isDown = true
    const destination = ScriptedDestination.requested((rows) =>
      Effect.sync(() => isDown ? ScriptedDestination.refusal(rows) : ScriptedDestination.accepted(rows))
    )
    yield* commitMany(1)
    for (let crash = 0; crash < crashes.aloneAt; crash++) {
      yield* claim({ worker: "w-killed" })
      yield* TestClock.adjust("31 seconds")
      yield* reclaim()
    }
    yield* commitMany(10)
    const { stop } = yield* Effect.provide(start({ destination, options: { attemptsMax: 10 } }), telemetry)
    yield* TestClock.adjust("10 minutes")
    isDown = false
    yield* TestClock.adjust("3 minutes")
    yield* stop
    return (yield* rows).map(({ status }) => status)
  }).pipe(Effect.provide(MemoryStores.layer.pipe(Layer.provideMerge(spans))))

describe("telemetry", () => {
  const ways: ReadonlyArray<readonly [name: string, telemetry: Layer.Layer<never>, spans?: typeof Spans.layer]> = [
    ["a tracer that throws at every call", silent, brokenTracer],
    ["a logger that throws at every call", brokenLogger],
    ["metrics that throw at every call", Layer.merge(brokenMetrics, silent)],
    ["all of them", Layer.merge(brokenMetrics, brokenLogger), brokenTracer]
  ]
  for (const [name, telemetry, spans] of ways) {
    it.effect(`changes no row's outcome: ${name}`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* oneBatch(telemetry, spans), yield* oneBatch(silent))
      }))

    it.effect(`keeps no worker from stopping at an outage and going on after it: ${name}`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* outage(telemetry, spans), Array.from({ length: 11 }, () => "done"))
      }))
  }

  it.effect.prop(
    "changes nothing of this, working or throwing: each row of a batch is settled by what was said of it alone",
    { said: Schema.NonEmptyArray(Schema.Literals(Object.keys(answers) as [keyof typeof answers])) },
    ({ said }) => {
      const destination = ScriptedDestination.layer(({ id }) => Effect.succeed(answers[said[id - 1]!].outcome))
      const batch = (telemetry: Layer.Layer<never>, spans = Spans.layer) =>
        Effect.gen(function*() {
          yield* commitMany(said.length)
          yield* Effect.provide(runOnce, telemetry)
          return yield* result
        }).pipe(working(destination, { spans }))
      return Effect.gen(function*() {
        const expected = said.map((word) => answers[word].row)
        assert.deepStrictEqual(yield* batch(silent), expected)
        assert.deepStrictEqual(yield* batch(Layer.merge(brokenMetrics, brokenLogger), brokenTracer), expected)
      })
    },
    { arbitrary: { runs: 50 } }
  )

  it.effect("counts every row once, by what became of it", () =>
    Effect.gen(function*() {
      const labels = { projection: "search" }
      const counters = [
        Metric.withAttributes(Metrics.processed.metric, { ...labels, result: "ok" }),
        Metric.withAttributes(Metrics.processed.metric, { ...labels, result: "failed" }),
        Metric.withAttributes(Metrics.retries.metric, { ...labels, reason: "429" }),
        Metric.withAttributes(Metrics.deadRows.metric, { ...labels, error_type: "es_mapping" }),
        Metric.withAttributes(Metrics.deadRows.metric, { ...labels, error_type: "lease_expired" })
      ]
      const read = Effect.map(Effect.all(counters.map(Metric.value)), (all) => all.map(({ count }) => count))
      const before = yield* read
      const since = Effect.map(read, (all) => all.map((count, at) => count - before[at]!))
      yield* commitMany(5)
      yield* runOnce
      assert.deepStrictEqual(yield* since, [2, 3, 2, 1, 0])
      yield* TestClock.adjust("61 seconds")
      for (let attempt = 1; attempt < options.attemptsMax; attempt++) {
        yield* killedAfterClaim
        yield* TestClock.adjust("31 seconds")
        yield* reclaimOnce
      }
      // The two that had failed before lost the attempts that they had left.
      assert.deepStrictEqual(yield* since, [2, 3, 2, 1, 2])
    }).pipe(working(eachItsOwn)))
})
