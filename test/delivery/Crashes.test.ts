/** A row that kills its workers is tried by itself, then buried; no other row is lost with it, nor held up for long. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Metric } from "effect"
import { TestClock } from "effect/testing"
import * as Reclaim from "../../src/delivery/Reclaim.ts"
import * as Turn from "../../src/delivery/Turn.ts"
import { crashes, type Delivery } from "../../src/outbox/Leases.ts"
import type { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import { attemptsOf } from "../support/Backstage.ts"
import { changeOf, claim, claimAlone, commit, commitMany, idInLane } from "../support/Changes.ts"
import * as Spans from "../support/RecordedSpans.ts"
import * as ScriptedDestination from "../support/ScriptedDestination.ts"
import * as Working from "../support/Working.ts"

const { accepted, always, failed, requested, written } = ScriptedDestination
const { only } = Spans
const { away, killedAfterClaim, leasesThat, request, rows, start, statuses, store, working } = Working

const options = { ...Working.options, attemptsMax: 10 }
const runOnce = Turn.runOnce(options)
const runAlone = Turn.runAlone(options)

const lost = Effect.andThen(TestClock.adjust("31 seconds"), Reclaim.reclaimOnce(options))

/** A row whose worker has died over it `times` times; its id is 1. */
const killer = Effect.fnUntraced(function*(times: number = crashes.aloneAt) {
  yield* commit(changeOf({ id: idInLane(1) }))
  for (let crash = 1; crash <= times; crash++) {
    const batch = yield* crash <= crashes.aloneAt ? claim({ worker: "w-killed" }) : claimAlone({ worker: "w-killed" })
    assert.deepStrictEqual(batch.deliveries.map(({ id }) => id), [1])
    assert.strictEqual(yield* lost, 1)
  }
})

const rowOf = (id: number) => Effect.map(rows, (all) => all.find((row) => row.id === id)!)

/** Notes each request: when it began and ended, and for which rows. */
const noting = (seconds: (rows: ReadonlyArray<Delivery>) => number) => {
  const requests: Array<{ readonly ids: ReadonlyArray<number>; readonly from: number; readonly to: number }> = []
  const destination = requested((rows) =>
    Effect.gen(function*() {
      const now = Effect.clockWith((clock) => clock.currentTimeMillis)
      const from = yield* now
      yield* Effect.sleep(`${seconds(rows)} seconds`)
      requests.push({ ids: rows.map(({ id }) => id), from, to: yield* now })
      return accepted(rows)
    })
  )
  return { destination, requests }
}

/** The row of the killer takes its time. */
const slowAlone = () => noting(([row]) => row?.id === 1 ? 10 : 1)

describe("a row that kills its workers", () => {
  it.effect("is tried in a batch of its own from the third time on", () =>
    Effect.gen(function*() {
      yield* killer()
      yield* commit(changeOf({ id: idInLane(1) }), changeOf({ id: idInLane(2) }))
      assert.deepInclude(yield* runOnce, { rows: 2 })
      assert.deepStrictEqual(yield* statuses, ["pending", "done", "done"])
      assert.isTrue(yield* runAlone)
      assert.deepInclude(yield* rowOf(1), { status: "done", attempts: 4 })
      assert.isFalse(yield* runAlone)
      const process = (yield* Spans.named("outbox.process")).find((span) => span.attributes.get("event_id") === "1")
      assert.deepInclude(Spans.attributesOf(process!), { attempt: 4, batch_size: 1, reclaimed: true, outcome: "acked" })
    }).pipe(working(always(written), { options })))

  it.effect("is tried with the others again after an attempt that ended in order", () =>
    Effect.gen(function*() {
      yield* killer()
      assert.isTrue(yield* runAlone)
      yield* commitMany(2)
      yield* TestClock.adjust("3 minutes")
      assert.isFalse(yield* runAlone)
      assert.deepInclude(yield* runOnce, { rows: 3 })
    }).pipe(working(always(failed({ class: "transient" })), { options })))

  it.effect("is buried at the fifth, and others are delivered meanwhile", () =>
    Effect.gen(function*() {
      yield* killer()
      for (let crash = crashes.aloneAt + 1; crash <= crashes.deadAt; crash++) {
        yield* claimAlone({ worker: "w-killed" })
        yield* commit(changeOf({ id: idInLane(2) }))
        assert.deepInclude(yield* runOnce, { rows: 1 })
        assert.strictEqual(yield* lost, 1)
      }
      assert.deepInclude(yield* rowOf(1), { status: "dead", attempts: 5, error_type: "crash_loop" })
      assert.deepStrictEqual((yield* statuses).slice(1), ["done", "done"])
      assert.isFalse(yield* runAlone)
      const outcomes = (yield* attemptsOf(1)).map(({ outcome }) => outcome)
      assert.deepStrictEqual(outcomes, Array.from({ length: crashes.deadAt }, () => "lease_lost"))
      const dead = Metric.withAttributes(Metrics.deadRows.metric, { projection: "search", error_type: "crash_loop" })
      assert.strictEqual((yield* Metric.value(dead)).count, 1)
    }).pipe(
      working(always(written), { options }),
      (test) => Effect.suspend(() => Effect.provideService(test, Metric.MetricRegistry, new Map()))
    ))

  it.effect("says in its trace that it was buried for that, as the row itself does", () =>
    Effect.gen(function*() {
      yield* request(changeOf({ id: idInLane(1) }))
      for (let crash = 1; crash <= crashes.deadAt; crash++) {
        yield* crash <= crashes.aloneAt ? killedAfterClaim : claimAlone({ worker: "w-killed" })
        assert.strictEqual(yield* lost, 1)
      }
      assert.strictEqual((yield* rowOf(1)).error_type, "crash_loop")
      assert.strictEqual((yield* only("outbox.dead_letter")).attributes.get("error.type"), "crash_loop")
      const attempts = yield* Spans.named("outbox.attempt_lost")
      assert.deepStrictEqual(
        attempts.map(({ attributes }) => attributes.get("error.type")),
        Array.from({ length: crashes.deadAt }, () => "lease_expired")
      )
    }).pipe(working(always(written), { options })))
})

describe("a worker that tries a row alone", () => {
  const settings = { attemptsMax: 10, batchSize: 5, concurrency: 3 }

  /** It dies over the row for the third time only once the lease of this claim ends. */
  const almostKiller = Effect.andThen(killer(crashes.aloneAt - 1), claim({ worker: "w-killed" }))

  it.effect("has nothing else in flight meanwhile, and goes on afterwards", () =>
    Effect.gen(function*() {
      const { destination, requests } = noting(([row]) => row?.id === 1 ? 10 : 4)
      yield* almostKiller
      yield* commitMany(250)
      const { stop } = yield* start({ destination, options: settings })
      yield* TestClock.adjust("2 minutes")
      const alone = requests.find(({ ids }) => ids.includes(1))!
      assert.deepStrictEqual(alone.ids, [1])
      const others = requests.filter((one) => one !== alone)
      assert.deepStrictEqual(others.filter(({ from, to }) => from < alone.to && to > alone.from), [])
      assert.isTrue(others.some(({ to }) => to <= alone.from))
      assert.isTrue(others.some(({ from }) => from >= alone.to))
      assert.isTrue((yield* statuses).every((status) => status === "done"))
      yield* stop
    }).pipe(store))

  it.effect("finishes it when it must stop, also when nobody else has anything to do", () =>
    Effect.gen(function*() {
      const { destination } = slowAlone()
      yield* almostKiller
      const { stop } = yield* start({ destination, options: { ...settings, pollInterval: Duration.hours(1) } })
      yield* TestClock.adjust("37 seconds")
      assert.deepInclude(yield* rowOf(1), { status: "processing", lease_owner: "w1" })
      const stopping = yield* Effect.forkChild(stop)
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.join(stopping)
      assert.deepInclude(yield* rowOf(1), { status: "done", attempts: 4 })
    }).pipe(store))

  for (
    const [what, trouble] of [
      ["the database is away", away],
      ["there is a bug", Effect.die("a bug")]
    ] as const
  ) {
    for (const part of ["claimAlone", "hasAlone", "reclaim"] as const) {
      it.effect(`goes on with the others while ${what} for ${part}, and has it done later`, () =>
        Effect.gen(function*() {
          let isAway = true
          const unlessAway =
            <A extends ReadonlyArray<unknown>, B>(call: (...given: A) => Effect.Effect<B, StoreUnavailable>) =>
            (...given: A) => Effect.suspend((): Effect.Effect<B, StoreUnavailable> => isAway ? trouble : call(...given))
          const ports = leasesThat(({ claimAlone, hasAlone, reclaim }) => {
            const all = {
              claimAlone: unlessAway(claimAlone),
              hasAlone: unlessAway(hasAlone),
              reclaim: unlessAway(reclaim)
            }
            return { [part]: all[part] }
          })
          yield* killer()
          yield* commitMany(20)
          const { stop } = yield* start({ ports, options: settings })
          yield* TestClock.adjust("20 seconds")
          yield* commitMany(20)
          yield* TestClock.adjust("20 seconds")
          assert.deepStrictEqual(yield* statuses, ["pending", ...Array.from({ length: 40 }, () => "done")])
          isAway = false
          yield* TestClock.adjust("20 seconds")
          assert.deepInclude(yield* rowOf(1), { status: "done" })
          yield* stop
        }).pipe(store))
    }
  }

  it.effect("finishes it when it must stop, and claims nothing more", () =>
    Effect.gen(function*() {
      const { destination } = slowAlone()
      yield* killer()
      const { stop } = yield* start({ destination, options: settings })
      yield* TestClock.adjust("1 second")
      yield* commitMany(20)
      yield* TestClock.adjust("3 seconds")
      assert.deepInclude(yield* rowOf(1), { status: "processing" })
      const stopping = yield* Effect.forkChild(stop)
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.join(stopping)
      assert.deepInclude(yield* rowOf(1), { status: "done", attempts: 4 })
      assert.deepStrictEqual((yield* statuses).slice(1), Array.from({ length: 20 }, () => "pending"))
    }).pipe(store))

  it.effect("gives it back in time when it cannot finish, and it is still to be tried alone", () =>
    Effect.gen(function*() {
      const { destination } = noting(() => 3_600)
      yield* killer()
      const { stop } = yield* start({ destination, options: settings })
      yield* TestClock.adjust("1 second")
      yield* commitMany(20)
      const stopping = yield* Effect.forkChild(stop)
      yield* TestClock.adjust("25 seconds")
      yield* Fiber.join(stopping)
      assert.deepInclude(yield* rowOf(1), { status: "pending", attempts: 3, lease_owner: null })
      assert.deepStrictEqual((yield* claimAlone()).deliveries.map(({ id }) => id), [1])
    }).pipe(store))

  it.effect("tries it as the one row of a probe while the far side refuses everything", () =>
    Effect.gen(function*() {
      let isDown = true
      const destination = requested((rows) =>
        Effect.sync(() => isDown ? ScriptedDestination.refusal(rows, { class: "configuration" }) : accepted(rows))
      )
      yield* killer()
      const { stop } = yield* start({ destination, options: settings })
      yield* TestClock.adjust("1 hour")
      assert.deepInclude(yield* rowOf(1), { status: "pending", attempts: 3 })
      isDown = false
      yield* TestClock.adjust("3 minutes")
      assert.deepInclude(yield* rowOf(1), { status: "done", attempts: 4 })
      yield* stop
    }).pipe(store))
})
