/** A worker whose far side refuses everything: it stops asking, tries one row now and then, and loses nothing. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, Metric } from "effect"
import { TestClock } from "effect/testing"
import { ProjectionControl } from "../../src/outbox/ProjectionControl.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import { attemptsOf } from "../support/Backstage.ts"
import { commitMany } from "../support/Changes.ts"
import * as ScriptedDestination from "../support/ScriptedDestination.ts"
import * as Working from "../support/Working.ts"

const { always, failed, outage, requested } = ScriptedDestination
const { away, controlThat, leasesThat, rows, start, statuses, store } = Working

const gauge = Metric.withAttributes(Metrics.breakerOpen.metric, { projection: "search" })
const isOpen = Effect.map(Metric.value(gauge), ({ value }) => value === 1)
const breakers = ProjectionControl.use(({ states }) =>
  Effect.map(states, (all) => all.find(({ projection }) => projection === "search")!.breakers)
)
const attemptsMax = 10
const patient = { attemptsMax, concurrency: 1 }

describe("a breaker", () => {
  it.effect("has its gauge from the start, so that whoever alerts on it sees it change", () =>
    Effect.gen(function*() {
      const { stop } = yield* start()
      const gauges = (yield* Metric.snapshot).filter(({ id }) => id === Metrics.breakerOpen.metric.id)
      const seen = gauges.map(({ attributes, state }) => [attributes, state])
      assert.deepStrictEqual(seen, [[{ projection: "search" }, { value: 0 }]])
      yield* stop
    }).pipe(store, (test) => Effect.suspend(() => Effect.provideService(test, Metric.MetricRegistry, new Map()))))
})

describe("a far side that refuses everything", () => {
  it.effect("is left alone after five refusals, then asked about one row at a time, ever less often", () =>
    Effect.gen(function*() {
      const { destination, state } = outage()
      yield* commitMany(20)
      const { stop } = yield* start({ destination, options: patient })
      yield* TestClock.adjust("3 minutes")
      assert.isTrue(yield* isOpen)
      // Whole batches until it opens; then 1 s, 2 s, 4 s … up to a minute, each at most a quarter longer.
      assert.deepStrictEqual(state.sizes.slice(5), state.sizes.slice(5).map(() => 1))
      const opened = state.sizes.length
      yield* TestClock.adjust("10 minutes")
      const probes = state.sizes.length - opened
      assert.isAtLeast(probes, 7)
      assert.isAtMost(probes, 11)
      yield* stop
    }).pipe(store))

  it.effect("costs no row more attempts than there were refusals before, however long it lasts", () =>
    Effect.gen(function*() {
      const { destination, state } = outage()
      yield* commitMany(20)
      const { stop } = yield* start({ destination, options: patient })
      yield* TestClock.adjust("2 hours")
      for (const row of yield* rows) {
        assert.deepInclude(row, { status: "pending", error_type: "es_503", error_detail: "no shards" })
        assert.isAtMost(row.attempts, 5)
        assert.strictEqual((yield* attemptsOf(row.id)).length, row.attempts)
      }
      state.healed = true
      yield* TestClock.adjust("3 minutes")
      assert.isTrue((yield* statuses).every((status) => status === "done"))
      assert.isFalse(yield* isOpen)
      yield* stop
    }).pipe(store))

  it.effect("buries nothing, however few attempts a row has and however many workers ask", () =>
    Effect.gen(function*() {
      const { destination, state } = outage()
      yield* commitMany(1)
      const { stop } = yield* start({ destination, options: { attemptsMax: 3 } })
      yield* TestClock.adjust("10 minutes")
      assert.deepInclude((yield* rows)[0], { status: "pending", attempts: 2, error_type: "es_503" })
      assert.isAbove(state.sizes.length, 10)
      yield* stop
    }).pipe(store))

  it.effect("is told of by gauge and to whoever asks, until it answers again", () =>
    Effect.gen(function*() {
      const { destination, state } = outage()
      yield* commitMany(5)
      const { stop } = yield* start({ destination, options: patient }, "w-7")
      assert.deepStrictEqual(yield* breakers, [])
      yield* TestClock.adjust("3 minutes")
      const [told, ...others] = yield* breakers
      assert.deepStrictEqual(others, [])
      assert.deepInclude(told, { worker: "w-7", state: "open", errorType: "es_503", detail: "no shards" })
      assert.isTrue(yield* isOpen)
      state.healed = true
      yield* TestClock.adjust("3 minutes")
      assert.deepStrictEqual(yield* breakers, [])
      assert.isFalse(yield* isOpen)
      yield* stop
    }).pipe(store))

  it.effect("is not complained of again and again while there is nothing to try", () =>
    Effect.gen(function*() {
      let lines = 0
      let told = 0
      const logger = Logger.layer([Logger.make(({ logLevel }) => logLevel === "Error" ? lines++ : 0)])
      const ports = controlThat(({ tell }) => ({
        tell: (...args) => Effect.andThen(Effect.sync(() => told++), tell(...args))
      }))
      yield* Effect.gen(function*() {
        const { destination } = outage({ class: "configuration", retryAfterMs: 3_600_000 })
        yield* commitMany(1)
        // The row waits for an hour, and the breaker for a quarter of one.
        const { stop } = yield* start({ destination, ports, options: { attemptsMax } })
        yield* TestClock.adjust("50 minutes")
        yield* stop
      }).pipe(Effect.provide(logger))
      assert.isAtMost(lines, 2)
      assert.isAtMost(told, 4)
    }).pipe(store))

  for (
    const [what, tell] of [
      ["fails", () => away],
      ["hangs", () => Effect.never],
      ["breaks", () => Effect.die("a bug")]
    ] as const
  ) {
    it.effect(`stops and goes on all the same when telling of it ${what}`, () =>
      Effect.gen(function*() {
        const { destination, state } = outage()
        yield* commitMany(20)
        const { stop } = yield* start({ destination, options: patient, ports: controlThat(() => ({ tell })) })
        yield* TestClock.adjust("20 minutes")
        assert.isTrue(yield* isOpen)
        state.healed = true
        yield* TestClock.adjust("3 minutes")
        assert.isTrue((yield* statuses).every((status) => status === "done"))
        assert.isFalse(yield* isOpen)
        yield* stop
      }).pipe(store))
  }
})

describe("what opens the breaker", () => {
  it.effect("is no failure of single rows, however many", () =>
    Effect.gen(function*() {
      yield* commitMany(20)
      const { stop } = yield* start({ destination: always(failed({ class: "transient", errorType: "es_4xx" })) })
      yield* TestClock.adjust("10 minutes")
      assert.isFalse(yield* isOpen)
      assert.isTrue((yield* statuses).every((status) => status === "dead"))
      yield* stop
    }).pipe(store))

  it.effect("is a delivery that does not end, like any other refusal", () =>
    Effect.gen(function*() {
      yield* commitMany(5)
      const { stop } = yield* start({ destination: requested(() => Effect.never), options: patient })
      yield* TestClock.adjust("1 hour")
      assert.isTrue(yield* isOpen)
      for (const row of yield* rows) {
        assert.isAtMost(row.attempts, 5)
        assert.deepInclude(row, { error_type: "timeout" })
      }
      const stopping = yield* Effect.forkChild(stop)
      yield* TestClock.adjust("25 seconds")
      yield* Fiber.join(stopping)
    }).pipe(store))

  it.effect("is one wrong configuration, which takes no attempt", () =>
    Effect.gen(function*() {
      const { destination, state } = outage({ class: "configuration", errorType: "es_index_missing" })
      yield* commitMany(20)
      const { stop } = yield* start({ destination, options: { attemptsMax: 1 } })
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual(state.sizes, [20])
      assert.isTrue(yield* isOpen)
      yield* TestClock.adjust("2 hours")
      assert.deepStrictEqual(new Set(state.sizes.slice(1)), new Set([1]))
      for (const row of yield* rows) {
        assert.deepInclude(row, { status: "pending", attempts: 0, error_type: "es_index_missing" })
      }
      state.healed = true
      yield* TestClock.adjust("3 minutes")
      assert.isTrue((yield* statuses).every((status) => status === "done"))
      yield* stop
    }).pipe(store))

  it.effect("is for as long as the far side asked", () =>
    Effect.gen(function*() {
      const { destination, state } = outage({ class: "configuration", retryAfterMs: 600_000 })
      yield* commitMany(3)
      const { stop } = yield* start({ destination, options: patient })
      yield* TestClock.adjust("599 seconds")
      yield* commitMany(3)
      assert.deepStrictEqual(state.sizes, [3])
      state.healed = true
      yield* TestClock.adjust("152 seconds")
      assert.strictEqual(state.sizes[1], 1)
      assert.isTrue((yield* statuses).some((status) => status === "done"))
      yield* stop
    }).pipe(store))

  it.effect("stays open while the database is away too, and the loop goes on", () =>
    Effect.gen(function*() {
      const { destination, state } = outage()
      let isAway = false
      const ports = Layer.mergeAll(
        controlThat(({ tell }) => ({ tell: (...args) => Effect.suspend(() => isAway ? away : tell(...args)) })),
        leasesThat(({ claim }) => ({ claim: (...args) => Effect.suspend(() => isAway ? away : claim(...args)) }))
      )
      yield* commitMany(20)
      const { stop } = yield* start({ destination, ports, options: patient })
      yield* TestClock.adjust("3 minutes")
      isAway = true
      const asked = state.sizes.length
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(state.sizes.length, asked)
      isAway = false
      state.healed = true
      yield* TestClock.adjust("2 minutes")
      assert.isTrue((yield* statuses).every((status) => status === "done"))
      yield* stop
    }).pipe(store))
})
