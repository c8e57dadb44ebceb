/** What every store promises of rows whose worker died, and of what a row carries through all that befalls it. */
import { assert, type Vitest } from "@effect/vitest"
import { Effect } from "effect"
import type { Leases } from "../../src/outbox/Leases.ts"
import type { Outbox } from "../../src/outbox/Outbox.ts"
import { OutboxReport } from "../../src/outbox/OutboxReport.ts"
import type { Transaction } from "../../src/outbox/Transaction.ts"
import { attemptsOf, type Backstage, fresh, passTime } from "../support/Backstage.ts"
import * as Changes from "../support/Changes.ts"
import { suiteOf } from "./Suite.ts"

const { changeOf, claim, claimAlone, commit, commitMany, dead, done, eventOf, idInLane, idsOf, reclaim, release } =
  Changes
const { retry, settle, takenOver } = Changes

type Needs = Leases | Outbox | OutboxReport | Transaction | Backstage
type It = Vitest.MethodsNonLive<Needs>

const context = {
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
  tracestate: "vendor=abc,other@tenant=1"
}

const reclaiming = (it: It) => {
  it.effect("tells each lost attempt once, one claim at a time, the longest expired first", () =>
    Effect.gen(function*() {
      const order: Array<number> = []
      for (const [at, worker] of ["w1", "w2", "w3"].entries()) {
        yield* commit(changeOf({ id: idInLane(at) }), changeOf({ id: idInLane(at + 8) })).pipe(
          Changes.tracedAs(context)
        )
        const batch = yield* claim({ worker })
        order.push(...idsOf(batch))
        yield* passTime("1 second")
      }
      yield* passTime("31 seconds")
      const first = yield* reclaim()
      assert.sameMembers(first.map(({ id }) => id), order.slice(0, 2))
      const [lost] = first
      assert.deepInclude(lost, { attempt: 1, worker: "w1", fate: "retried", trace: context })
      assert.isAbove(lost!.lostAt, lost!.claimedAt)
      const atOnce = yield* Effect.all([reclaim(), reclaim(), reclaim()], { concurrency: "unbounded" })
      const rest = [...atOnce, yield* reclaim(), yield* reclaim()].flat()
      assert.deepStrictEqual(rest.map(({ id }) => id).toSorted((a, b) => a - b), order.slice(2))
      assert.deepStrictEqual(yield* reclaim(), [])
    }).pipe(fresh))

  it.effect("buries what has lost its last attempt, and keeps a record of each that was lost", () =>
    Effect.gen(function*() {
      yield* commit(changeOf())
      const told: Array<string> = []
      for (const worker of ["w1", "w2"]) {
        yield* claim({ worker })
        yield* passTime("31 seconds")
        told.push(...(yield* reclaim({ attemptsMax: 2 })).map(({ fate }) => fate))
      }
      assert.deepStrictEqual(told, ["retried", "lease_expired"])
      assert.deepStrictEqual(idsOf(yield* claim()), [])
      const [event] = (yield* OutboxReport.use((report) => report.events({ status: "dead" }, 10, undefined))).items
      assert.deepInclude(event, { attempts: 2, error_type: "lease_expired", lease_owner: null, lease_until: null })
      const records = yield* attemptsOf(event!.id)
      assert.deepStrictEqual(
        records.map(({ attempt, error_type, outcome, worker }) => [attempt, worker, outcome, error_type]),
        [[1, "w1", "lease_lost", "lease_expired"], [2, "w2", "lease_lost", "lease_expired"]]
      )
    }).pipe(fresh))

  it.effect("says of the claim after a lost one that it was taken back, and of no later one", () =>
    Effect.gen(function*() {
      const { id, now } = yield* takenOver
      assert.isTrue(now.deliveries[0]!.reclaimed)
      yield* settle(now, retry(id))
      const next = yield* claim()
      assert.isFalse(next.deliveries[0]!.reclaimed)
    }).pipe(fresh))
}

/** Claims it, as it may be claimed, and dies; answers what is said of it. */
const crash = Effect.fnUntraced(function*(claiming: ReturnType<typeof claim>) {
  const batch = yield* claiming
  assert.strictEqual(batch.deliveries.length, 1)
  yield* passTime("31 seconds")
  return (yield* reclaim({ attemptsMax: 100 })).map(({ attempt, fate }) => [attempt, fate] as const)[0]
})

const crashing = (it: It) => {
  it.effect("tries a row alone after three crashes, and buries it after five", () =>
    Effect.gen(function*() {
      yield* commit(changeOf())
      assert.deepStrictEqual(yield* crash(claim()), [1, "retried"])
      assert.deepStrictEqual(yield* crash(claim()), [2, "retried"])
      assert.deepStrictEqual(idsOf(yield* claimAlone()), [])
      assert.deepStrictEqual(yield* crash(claim()), [3, "alone"])
      assert.deepStrictEqual(idsOf(yield* claim()), [])
      assert.deepStrictEqual(yield* crash(claimAlone()), [4, "alone"])
      assert.deepStrictEqual(yield* crash(claimAlone()), [5, "crash_loop"])
      assert.deepStrictEqual([...idsOf(yield* claim()), ...idsOf(yield* claimAlone())], [])
      const [event] = (yield* OutboxReport.use((report) => report.events({ status: "dead" }, 10, undefined))).items
      assert.deepInclude(event, { attempts: 5, error_type: "crash_loop" })
      const records = yield* attemptsOf(event!.id)
      assert.deepStrictEqual(records.map(({ attempt }) => attempt), [1, 2, 3, 4, 5])
      assert.isTrue(records.every(({ outcome }) => outcome === "lease_lost"))
    }).pipe(fresh))

  it.effect("begins to count crashes anew after an attempt that ended in order", () =>
    Effect.gen(function*() {
      yield* commit(changeOf())
      for (const attempt of [1, 4]) {
        assert.deepStrictEqual(yield* crash(claim()), [attempt, "retried"])
        assert.deepStrictEqual(yield* crash(claim()), [attempt + 1, "retried"])
        const batch = yield* claim()
        yield* settle(batch, retry(idsOf(batch)[0]!))
      }
      for (const fate of ["retried", "retried", "alone"]) assert.strictEqual((yield* crash(claim()))![1], fate)
      const alone = yield* claimAlone()
      assert.deepInclude(alone.deliveries[0], { attempt: 10, reclaimed: true })
      yield* settle(alone, retry(idsOf(alone)[0]!))
      assert.deepInclude((yield* claim()).deliveries[0], { attempt: 11, reclaimed: false })
    }).pipe(fresh))

  it.effect("goes on counting over a row that was given back, and still tries it alone", () =>
    Effect.gen(function*() {
      yield* commit(changeOf())
      for (let times = 0; times < 3; times++) {
        const batch = yield* claim()
        yield* settle(batch, release(idsOf(batch)[0]!))
        yield* crash(claim())
      }
      const alone = yield* claimAlone()
      const [id] = idsOf(alone) as [number]
      yield* settle(alone, release(id, 10_000))
      assert.deepStrictEqual([...idsOf(yield* claim()), ...idsOf(yield* claimAlone())], [])
      yield* passTime("11 seconds")
      assert.deepStrictEqual(idsOf(yield* claim()), [])
      const last = yield* claimAlone()
      assert.deepInclude(last.deliveries[0], { id, attempt: 4 })
      assert.deepStrictEqual(yield* settle(last, done(id)), [id])
      assert.deepInclude(yield* eventOf(id), { status: "done", attempts: 4 })
    }).pipe(fresh))

  it.effect("gives rows that are tried alone out one by one, and the others of their lane as ever", () =>
    Effect.gen(function*() {
      yield* commitMany(2, 4)
      for (let times = 0; times < 3; times++) {
        yield* claim()
        yield* passTime("31 seconds")
        yield* reclaim()
      }
      yield* commitMany(2, 4)
      const others = yield* claim()
      assert.strictEqual(others.deliveries.length, 2)
      assert.deepStrictEqual(idsOf(yield* claimAlone()), [], "their lane is taken")
      yield* settle(others, ...idsOf(others).map(done))
      const alone = yield* claimAlone()
      assert.strictEqual(alone.deliveries.length, 1)
      assert.deepStrictEqual(idsOf(yield* claimAlone()), [])
      yield* settle(alone, ...idsOf(alone).map(done))
      assert.strictEqual((yield* claimAlone()).deliveries.length, 1)
    }).pipe(fresh))
}

const carrying = (it: It) => {
  it.effect("keeps trace context and request id through retry, reclaim and replay", () =>
    Effect.gen(function*() {
      yield* commit(changeOf()).pipe(Changes.tracedAs(context), Changes.requestedAs("r-42"))
      const said = { trace: context, requestId: "r-42" }
      const first = yield* claim()
      const [id] = idsOf(first) as [number]
      yield* settle(first, retry(id))
      assert.deepInclude((yield* claim()).deliveries[0], said)
      yield* passTime("31 seconds")
      assert.deepStrictEqual((yield* reclaim())[0]?.trace, context)
      const third = yield* claim()
      assert.deepInclude(third.deliveries[0], said)
      for (const settlement of [dead(id), done(id)]) {
        const batch = settlement._tag === "Dead" ? third : yield* claim()
        yield* settle(batch, settlement)
        const { request_id, trace_id, traceparent, tracestate } = yield* eventOf(id)
        assert.deepStrictEqual({ traceparent, tracestate }, context)
        assert.deepStrictEqual({ request_id, trace_id }, {
          request_id: "r-42",
          trace_id: context.traceparent.slice(3, 35)
        })
        assert.strictEqual(yield* OutboxReport.use((report) => report.replay({ projection: "search", id })), 1)
      }
      assert.deepInclude((yield* claim()).deliveries[0], { ...said, attempt: 1 })
    }).pipe(fresh))

  it.effect("keeps a row without a trace as it is", () =>
    Effect.gen(function*() {
      yield* commit(changeOf()).pipe(Effect.withTracerEnabled(false))
      assert.deepInclude((yield* claim()).deliveries[0], { trace: null, requestId: null, actor: "anonymous" })
    }).pipe(fresh))
}

export const suite = suiteOf<Needs>("Reclaim", [reclaiming, crashing, carrying])
