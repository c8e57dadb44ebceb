/** The loop that empties an outbox: what it does when there is work, when there is none, and when it must stop. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as WorkerIdentityMemory from "../../layers/memory/WorkerIdentityMemory.ts"
import { WorkerIdentity } from "../../src/delivery/WorkerIdentity.ts"
import { WakeUps } from "../../src/outbox/WakeUps.ts"
import { attemptsOf } from "../support/Backstage.ts"
import { changeOf, claim, idInLane } from "../support/Changes.ts"
import * as Spans from "../support/RecordedSpans.ts"
import * as ScriptedDestination from "../support/ScriptedDestination.ts"
import * as Working from "../support/Working.ts"

const { failed, inTurn, written } = ScriptedDestination
const { away, leasesThat, request, rows, start, statuses, store } = Working

/** Claims, counted. */
const counting = () => {
  let claims = 0
  const ports = leasesThat((leases) => ({
    claim: (...args) => Effect.andThen(Effect.sync(() => claims++), leases.claim(...args))
  }))
  return { ports, count: Effect.sync(() => claims) }
}

const taking = (duration: Duration.Input) =>
  ScriptedDestination.layer(() => Effect.delay(Effect.succeed(written), duration))

describe("a worker", () => {
  it.effect("delivers what was there before it and what comes later", () =>
    Effect.gen(function*() {
      yield* request(changeOf(), changeOf())
      const { stop } = yield* start()
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* statuses, ["done", "done"])
      yield* request(changeOf())
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* statuses, ["done", "done", "done"])
      yield* stop
    }).pipe(store))

  it.effect("empties a backlog without waiting in between", () =>
    Effect.gen(function*() {
      yield* request(...Array.from({ length: 45 }, () => changeOf()))
      const { stop } = yield* start({ options: { batchSize: 10, concurrency: 1 } })
      yield* TestClock.adjust("1 milli")
      assert.isTrue((yield* statuses).every((status) => status === "done"))
      assert.strictEqual((yield* Spans.named("outbox_worker.loop")).length, 5)
      yield* stop
    }).pipe(store))

  it.effect("makes no span while there is nothing to do, and asks ever less often", () =>
    Effect.gen(function*() {
      const { count, ports } = counting()
      const { stop } = yield* start({ ports, options: { concurrency: 1 } })
      yield* TestClock.adjust("10 seconds")
      const busy = yield* count
      yield* TestClock.adjust("60 seconds")
      const asked = (yield* count) - busy
      assert.isAtLeast(asked, 50)
      assert.isAtMost(asked, 76)
      assert.deepStrictEqual(yield* Spans.all, [])
      yield* stop
    }).pipe(store))

  it.effect("looks at once when it hears that there is something, and not only then", () =>
    Effect.gen(function*() {
      const heard = yield* Deferred.make<void>()
      const wakeUps = {
        count: Effect.map(Deferred.isDone(heard), Number),
        beyond: (known: number) => known > 0 ? Effect.never : Deferred.await(heard)
      }
      const options = { pollInterval: Duration.hours(1), concurrency: 1 }
      const { stop } = yield* start({ options }).pipe(Effect.provideService(WakeUps, wakeUps))
      yield* TestClock.adjust("3 hours")
      yield* request()
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* statuses, ["pending"])
      yield* Deferred.succeed(heard, undefined)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* statuses, ["done"])
      yield* request()
      yield* TestClock.adjust("2 hours")
      assert.deepStrictEqual(yield* statuses, ["done", "done"])
      yield* stop
    }).pipe(store))

  it.effect("tries again after the back-off, by itself", () =>
    Effect.gen(function*() {
      yield* request()
      const { stop } = yield* start({ destination: inTurn(failed(), failed(), written) })
      yield* TestClock.adjust("40 seconds")
      const [row] = yield* rows
      assert.deepInclude(row, { status: "done", attempts: 3 })
      assert.deepStrictEqual((yield* attemptsOf(row!.id)).map(({ outcome }) => outcome), [
        "retry_scheduled",
        "retry_scheduled",
        "acked"
      ])
      yield* stop
    }).pipe(store))

  it.effect("delivers what a dead worker held, once its lease has ended", () =>
    Effect.gen(function*() {
      yield* request()
      yield* claim({ worker: "w-killed" })
      const { stop } = yield* start()
      yield* TestClock.adjust("29 seconds")
      assert.deepStrictEqual(yield* statuses, ["processing"])
      yield* TestClock.adjust("10 seconds")
      assert.deepInclude((yield* rows)[0], { status: "done", attempts: 2 })
      assert.strictEqual((yield* Spans.named("outbox.attempt_lost")).length, 1)
      yield* stop
    }).pipe(store))

  it.effect("works on as many batches at once as it was told", () =>
    Effect.gen(function*() {
      yield* request(...Array.from({ length: 6 }, () => changeOf()))
      const given = { destination: taking("10 seconds"), options: { batchSize: 1, concurrency: 2 } }
      const { stop } = yield* start(given)
      yield* TestClock.adjust("1 second")
      const running = (yield* statuses).filter((status) => status === "processing")
      assert.strictEqual(running.length, 2)
      const stopping = yield* Effect.forkChild(stop)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(stopping)
    }).pipe(store))

  it.effect("begins a trace of its own for each turn, whatever it was started in", () =>
    Effect.gen(function*() {
      const { stop } = yield* start().pipe(Effect.withSpan("the program"))
      for (let turn = 0; turn < 3; turn++) {
        yield* request()
        yield* TestClock.adjust("5 seconds")
      }
      const loops = yield* Spans.named("outbox_worker.loop")
      const traces = new Set([...loops, ...yield* Spans.named("the program")].map(({ traceId }) => traceId))
      assert.strictEqual(loops.length, 3)
      assert.strictEqual(traces.size, 4)
      yield* stop
    }).pipe(store))

  it.effect("shares the work with others, and no row is delivered twice", () =>
    Effect.gen(function*() {
      const delivered: Array<number> = []
      const destination = ScriptedDestination.layer(({ id }) =>
        Effect.as(Effect.delay(Effect.sync(() => delivered.push(id)), "10 millis"), written)
      )
      yield* request(...Array.from({ length: 60 }, () => changeOf()))
      const given = { destination, options: { batchSize: 7 } }
      const workers = yield* Effect.forEach(["w1", "w2", "w3"], (name) => start(given, name))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(delivered.length, 60)
      assert.strictEqual(new Set(delivered).size, 60)
      yield* Effect.all(workers.map(({ stop }) => stop))
    }).pipe(store))
})

describe("a worker in trouble", () => {
  for (
    const [what, trouble] of [
      ["the database is away", away],
      ["there is a bug", Effect.die("a bug")]
    ] as const
  ) {
    it.effect(`goes on after ${what}`, () =>
      Effect.gen(function*() {
        let until = 3
        const ports = leasesThat((leases) => ({
          claim: (...args) => Effect.suspend(() => until-- > 0 ? trouble : leases.claim(...args)),
          reclaim: () => trouble
        }))
        yield* request()
        const { stop } = yield* start({ ports, options: { concurrency: 1 } })
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(yield* statuses, ["pending"])
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(yield* statuses, ["done"])
        yield* stop
      }).pipe(store))
  }

  it.effect("does not press a database that is away", () =>
    Effect.gen(function*() {
      let asked = 0
      const ports = leasesThat(() => ({
        claim: () => Effect.andThen(Effect.sync(() => asked++), away)
      }))
      const { stop } = yield* start({ ports, options: { concurrency: 1 } })
      yield* TestClock.adjust("60 seconds")
      assert.isAtMost(asked, 61)
      assert.deepStrictEqual(yield* Spans.all, [])
      yield* stop
    }).pipe(store))

  it.effect("shares its name with no other that lives", () =>
    Effect.gen(function*() {
      const living = new Set<string>()
      const first = yield* Scope.make()
      yield* Layer.buildWithScope(WorkerIdentityMemory.layer("w1", living), first)
      const second = WorkerIdentity.use(({ id }) => Effect.succeed(id)).pipe(
        Effect.provide(WorkerIdentityMemory.layer("w1", living))
      )
      assert.strictEqual((yield* Effect.flip(second))._tag, "WorkerIdTaken")
      yield* Scope.close(first, Exit.void)
      assert.strictEqual(yield* second, "w1")
    }))
})

describe("a worker that is told to stop", () => {
  it.effect("finishes what it holds, and claims nothing more", () =>
    Effect.gen(function*() {
      yield* request(changeOf({ id: idInLane(1) }), changeOf({ id: idInLane(2) }))
      const given = { destination: taking("10 seconds"), options: { batchSize: 1, concurrency: 1 } }
      const { stop } = yield* start(given)
      yield* TestClock.adjust("1 second")
      const stopping = yield* Effect.forkChild(stop)
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(yield* statuses, ["done", "pending"])
      assert.deepStrictEqual((yield* rows).map(({ attempts }) => attempts), [1, 0])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* statuses, ["done", "pending"])
    }).pipe(store))

  it.effect("gives back in time what it cannot finish, without counting the attempt", () =>
    Effect.gen(function*() {
      yield* request(...[1, 2, 3].map((lane) => changeOf({ id: idInLane(lane) })))
      const { stop } = yield* start({ destination: taking("1 minute"), options: { batchSize: 2 } })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* statuses, ["processing", "processing", "processing"])
      const stopping = yield* Effect.forkChild(stop)
      yield* TestClock.adjust("25 seconds")
      yield* Fiber.join(stopping)
      for (const row of yield* rows) {
        assert.deepInclude(row, { status: "pending", attempts: 0, lease_owner: null })
        assert.deepStrictEqual(yield* attemptsOf(row.id), [])
      }
      const unended = (yield* Spans.all).filter(({ status }) => status._tag === "Started")
      assert.deepStrictEqual(unended.map(({ name }) => name), [])
    }).pipe(store))

  it.effect("leaves at once when it holds nothing", () =>
    Effect.gen(function*() {
      const { stop } = yield* start()
      yield* TestClock.adjust("5 seconds")
      yield* stop
      yield* request()
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* statuses, ["pending"])
    }).pipe(store))

  it.effect("settles what was delivered just then", () =>
    Effect.gen(function*() {
      const settling = yield* Deferred.make<void>()
      const ports = leasesThat((leases) => ({
        settle: (...args) => Effect.andThen(Deferred.await(settling), leases.settle(...args))
      }))
      yield* request()
      const { stop } = yield* start({ ports })
      yield* TestClock.adjust("1 second")
      const stopping = yield* Effect.forkChild(stop)
      yield* TestClock.adjust("26 seconds")
      assert.deepStrictEqual(yield* statuses, ["processing"])
      yield* Deferred.succeed(settling, undefined)
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(yield* statuses, ["done"])
    }).pipe(store))
})
