/** A worker that cannot know whether it still holds its lease writes nothing, and claims nothing of what came of it. */
import { assert, describe, it } from "@effect/vitest"
import { type Duration, Effect, Fiber, Layer, Metric } from "effect"
import { TestClock } from "effect/testing"
import { Destination } from "../../src/delivery/Destination.ts"
import { timed } from "../../src/delivery/EngineCall.ts"
import type { Heartbeats } from "../../src/outbox/Heartbeats.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import { attemptsOf } from "../support/Backstage.ts"
import { changeOf, claim, done, settle } from "../support/Changes.ts"
import * as Spans from "../support/RecordedSpans.ts"
import * as ScriptedDestination from "../support/ScriptedDestination.ts"
import * as Working from "../support/Working.ts"

const { layer, written } = ScriptedDestination
const { away, heartbeatsThat, reclaimOnce, request, rows, runOnce, statuses, working } = Working

const { only } = Spans

type Extend = Heartbeats["Service"]["extend"]

/** Begins its only write after `duration`, as a process does that stood still before it. */
const beginningAfter = (duration: Duration.Input) => {
  const writes: Array<number> = []
  const first = { isNext: true }
  const inner = layer(({ id }) => Effect.as(Effect.sync(() => writes.push(id)), written))
  const destination = Layer.effect(
    Destination,
    Effect.map(Destination, ({ deliver }) =>
      Destination.of({
        deliver: (rows) =>
          Effect.suspend(() => {
            const wait = first.isNext ? duration : "0 seconds"
            first.isNext = false
            return Effect.delay(deliver(rows), wait)
          })
      }))
  ).pipe(Layer.provide(inner))
  return { destination, writes }
}

const processes = Effect.map(Spans.named("outbox.process"), (spans) => spans.map(Spans.attributesOf))
const counted = Effect.fnUntraced(function*() {
  const labels = { projection: "search" }
  const value = (metric: Metric.Metric<number, Metric.CounterState<number>>, more: Record<string, string> = {}) =>
    Effect.map(Metric.value(Metric.withAttributes(metric, { ...labels, ...more })), ({ count }) => count)
  return {
    ok: yield* value(Metrics.processed.metric, { result: "ok" }),
    failed: yield* value(Metrics.processed.metric, { result: "failed" }),
    misses: yield* value(Metrics.guardMisses.metric)
  }
})
/** Metrics of the test's own. */
const ownMetrics = <A, E, R>(test: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => Effect.provideService(test, Metric.MetricRegistry, new Map()))

describe("a worker whose heartbeats tell it nothing", () => {
  const ways: ReadonlyArray<readonly [what: string, extend: Extend]> = [
    ["fail", () => away],
    ["hang", () => Effect.never],
    ["break", () => Effect.die("a bug")]
  ]
  for (const [what, extend] of ways) {
    const ports = heartbeatsThat(() => extend)

    it.effect(`goes on with what it has begun when they ${what}`, () =>
      Effect.gen(function*() {
        yield* request()
        const running = yield* Effect.forkChild(runOnce)
        yield* TestClock.adjust("25 seconds")
        yield* Fiber.join(running)
        assert.deepInclude((yield* rows)[0], { status: "done", attempts: 1 })
      }).pipe(working(layer(() => Effect.delay(Effect.succeed(written), "25 seconds")), { ports })))

    const { destination, writes } = beginningAfter("16 seconds")
    it.effect(`begins no write after half a lease when they ${what}, and counts that it was tried`, () =>
      Effect.gen(function*() {
        yield* request(changeOf(), changeOf())
        const running = yield* Effect.forkChild(runOnce)
        yield* TestClock.adjust("16 seconds")
        yield* Fiber.join(running)
        assert.deepStrictEqual(writes, [])
        for (const row of yield* rows) {
          assert.deepInclude(row, { status: "pending", attempts: 1, error_type: "stalled" })
          assert.deepStrictEqual((yield* attemptsOf(row.id)).map(({ outcome }) => outcome), ["retry_scheduled"])
        }
        yield* TestClock.adjust("61 seconds")
        assert.strictEqual(yield* runOnce, 2)
        assert.sameMembers(writes, (yield* rows).map(({ id }) => id))
        assert.deepStrictEqual(yield* statuses, ["done", "done"])
      }).pipe(working(destination, { ports })))
  }

  const late = beginningAfter("40 seconds")
  it.effect("begins no write after its lease, and the next who has the rows delivers them once", () =>
    Effect.gen(function*() {
      yield* request(changeOf(), changeOf())
      const running = yield* Effect.forkChild(runOnce)
      yield* TestClock.adjust("31 seconds")
      assert.strictEqual(yield* reclaimOnce, 2)
      assert.strictEqual(yield* runOnce, 2)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(running)
      assert.strictEqual(late.writes.length, 2)
      for (const row of yield* rows) {
        assert.deepInclude(row, { status: "done", attempts: 2 })
        assert.deepStrictEqual((yield* attemptsOf(row.id)).map(({ outcome }) => outcome), ["lease_lost", "acked"])
      }
    }).pipe(working(late.destination, { ports: heartbeatsThat(() => () => away) })))

  const begun: Array<string> = []
  const step = (name: string) => timed(name, {}, Effect.sync(() => begun.push(name)))
  const twice = Layer.succeed(
    Destination,
    Destination.of({
      deliver: (rows) =>
        Effect.as(Effect.andThen(step("first"), Effect.delay(step("second"), "16 seconds")), {
          outcomes: new Map(rows.map(({ id }) => [id, written])),
          calls: []
        })
    })
  )
  it.effect("stops between two writes of one delivery too", () =>
    Effect.gen(function*() {
      yield* request()
      const running = yield* Effect.forkChild(runOnce)
      yield* TestClock.adjust("16 seconds")
      yield* Fiber.join(running)
      assert.deepStrictEqual(begun, ["first"])
      assert.deepStrictEqual(yield* statuses, ["pending"])
    }).pipe(working(twice, { ports: heartbeatsThat(() => () => away) })))
})

describe("a worker whose heartbeats are answered", () => {
  const patient = beginningAfter("2 minutes")
  it.effect("begins a write however late while they tell that the lease goes on", () =>
    Effect.gen(function*() {
      yield* request()
      const running = yield* Effect.forkChild(runOnce)
      yield* TestClock.adjust("2 minutes")
      yield* Fiber.join(running)
      assert.strictEqual(patient.writes.length, 1)
      assert.deepInclude((yield* rows)[0], { status: "done", attempts: 1 })
    }).pipe(working(patient.destination)))
})

describe("a worker that has lost its lease", () => {
  it.effect("stops at the heartbeat that says so", () =>
    Effect.gen(function*() {
      yield* request()
      const running = yield* Effect.forkChild(runOnce)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(running), 1)
      assert.deepInclude((yield* rows)[0], { attempts: 0 })
    }).pipe(working(layer(() => Effect.never), { ports: heartbeatsThat(() => () => Effect.succeed(new Set())) })))

  it.effect("changes no row by its settlement, and calls nothing of it a success", () =>
    Effect.gen(function*() {
      yield* request(changeOf(), changeOf())
      const zombie = yield* Effect.forkChild(runOnce)
      yield* TestClock.adjust("35 seconds")
      assert.strictEqual(yield* reclaimOnce, 2)
      const other = yield* claim({ worker: "w-other" })
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(zombie)
      for (const row of yield* rows) {
        assert.deepInclude(row, { status: "processing", lease_owner: "w-other", attempts: 2 })
      }
      for (const process of yield* processes) {
        assert.deepInclude(process, { result: "failed", outcome: "lease_lost", ack_rows: 0 })
      }
      assert.deepStrictEqual(yield* counted(), { ok: 0, failed: 2, misses: 2 })
      const batch = yield* only("projection.process_batch")
      assert.deepInclude(Spans.attributesOf(batch), { ok: 0, failed: 2, result: "failed" })
      assert.strictEqual((yield* settle(other, ...other.deliveries.map(({ id }) => done(id)))).length, 2)
    }).pipe(
      working(layer(() => Effect.delay(Effect.succeed(written), "20 seconds")), {
        ports: heartbeatsThat(() => () => away)
      }),
      ownMetrics
    ))
})

describe("a worker that stops", () => {
  it.effect("gives its rows back, and counts nothing for them", () =>
    Effect.gen(function*() {
      yield* request(changeOf(), changeOf())
      const running = yield* Effect.forkChild(runOnce)
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.interrupt(running)
      for (const row of yield* rows) assert.deepInclude(row, { status: "pending", attempts: 0, error_type: null })
      assert.deepStrictEqual(yield* counted(), { ok: 0, failed: 0, misses: 0 })
      const batch = yield* only("projection.process_batch")
      assert.deepInclude(Spans.attributesOf(batch), { ok: 0, failed: 0 })
    }).pipe(working(layer(() => Effect.never)), ownMetrics))
})
