/** What every store promises of settlements: each row by its own outcome, and only by who holds it. P-08. */
import { assert, type Vitest } from "@effect/vitest"
import { Effect } from "effect"
import type { Leases } from "../../src/outbox/Leases.ts"
import type { Outbox } from "../../src/outbox/Outbox.ts"
import type { OutboxReport } from "../../src/outbox/OutboxReport.ts"
import type { Transaction } from "../../src/outbox/Transaction.ts"
import { attemptsOf, type Backstage, fresh, passTime } from "../support/Backstage.ts"
import * as Changes from "../support/Changes.ts"
import { suiteOf } from "./Suite.ts"

const { changeOf, claim, commit, commitMany, dead, done, eventOf, idsOf, oneClaimed, release, retry, settle } = Changes
const { reclaim, superseded } = Changes

type Needs = Leases | Outbox | OutboxReport | Transaction | Backstage
type It = Vitest.MethodsNonLive<Needs>

const settling = (it: It) => {
  it.effect("settles every row of a batch by its own outcome", () =>
    Effect.gen(function*() {
      yield* commitMany(6)
      const batch = yield* claim()
      const [a, b, c, d, e, unsettled] = idsOf(batch) as [number, number, number, number, number, number]
      const held = yield* settle(batch, done(a), superseded(b), retry(c, 60_000), dead(d), release(e))
      assert.deepStrictEqual(held, [a, b, c, d, e])
      const status = (id: number) =>
        Effect.map(eventOf(id), (event) => [event.status, event.attempts, event.error_type])
      assert.deepStrictEqual(yield* Effect.forEach([a, b, c, d, e, unsettled], status), [
        ["done", 1, null],
        ["done", 1, null],
        ["pending", 1, "es_429"],
        ["dead", 1, "es_mapping"],
        ["pending", 0, null],
        ["processing", 1, null]
      ])
      const records = yield* Effect.forEach([a, b, c, d, e, unsettled], attemptsOf)
      const outcomes = records.map((record) => record.map(({ outcome }) => outcome))
      assert.deepStrictEqual(outcomes, [["acked"], ["superseded"], ["retry_scheduled"], ["dead_lettered"], [], []])
      assert.deepInclude(records[3]![0], { projection: "search", attempt: 1, worker: "w1", error_type: "es_mapping" })
    }).pipe(fresh))

  it.effect("leaves no owner and no lease on what has ended or waits", () =>
    Effect.gen(function*() {
      yield* commitMany(4)
      const batch = yield* claim()
      const [a, b, c, d] = idsOf(batch) as [number, number, number, number]
      yield* settle(batch, done(a), retry(b, 60_000), dead(c), release(d))
      for (const id of [a, b, c, d]) {
        const { lease_owner, lease_until, next_attempt_at, processed_at, status } = yield* eventOf(id)
        assert.isNull(lease_owner)
        assert.isNull(lease_until)
        assert.strictEqual(processed_at === null, status === "pending")
        assert.strictEqual(next_attempt_at === null, status !== "pending")
      }
    }).pipe(fresh))

  it.effect("settles nothing twice", () =>
    Effect.gen(function*() {
      yield* commitMany(4)
      const batch = yield* claim()
      const [a, b, c, d] = idsOf(batch) as [number, number, number, number]
      const all = [done(a), retry(b), dead(c), release(d)]
      assert.strictEqual((yield* settle(batch, ...all)).length, 4)
      for (const settlement of all) assert.deepStrictEqual(yield* settle(batch, settlement), [])
      assert.deepStrictEqual(yield* settle(batch), [])
    }).pipe(fresh))

  it.effect("never settles a row of another claim", () =>
    Effect.gen(function*() {
      yield* commit(changeOf({ id: Changes.idInLane(1) }), changeOf({ id: Changes.idInLane(2) }))
      const [mine, other] = [yield* claim({ limit: 1 }), yield* claim({ limit: 1, worker: "w2" })]
      const [id] = idsOf(other) as [number]
      for (const settlement of [done(id), superseded(id), retry(id), dead(id), release(id)]) {
        assert.deepStrictEqual(yield* settle(mine, settlement), [])
      }
      assert.deepInclude(yield* eventOf(idsOf(mine)[0]!), { status: "processing", lease_owner: "w1" })
      assert.deepStrictEqual(yield* settle(mine, done(id), ...idsOf(mine).map(done)), idsOf(mine))
      assert.deepInclude(yield* eventOf(id), { status: "processing", lease_owner: "w2" })
    }).pipe(fresh))

  it.effect("does not give a row out before its back-off has ended", () =>
    Effect.gen(function*() {
      const { batch, id } = yield* oneClaimed
      yield* settle(batch, retry(id, 40_000))
      yield* passTime("39 seconds")
      assert.deepStrictEqual(idsOf(yield* claim()), [])
      yield* passTime("2 seconds")
      const [again] = (yield* claim()).deliveries
      assert.deepInclude(again, { id, attempt: 2, reclaimed: false })
      assert.closeTo(again!.readyAt - again!.waitingSince, 40_000_000, 1_000_000)
    }).pipe(fresh))

  it.effect("counts every attempt but one that was given back", () =>
    Effect.gen(function*() {
      yield* commit(changeOf())
      const counted: Array<number> = []
      for (const settlement of [retry, release, release, retry, dead]) {
        const batch = yield* claim()
        counted.push(batch.deliveries[0]!.attempt)
        yield* settle(batch, settlement(idsOf(batch)[0]!))
      }
      assert.deepStrictEqual(counted, [1, 2, 2, 2, 3])
    }).pipe(fresh))
}

const partly = (it: It) => {
  it.effect("keeps what is not settled yet, and its lane, for who has it", () =>
    Effect.gen(function*() {
      yield* commitMany(4, 5)
      const batch = yield* claim()
      const [a, b, c, d] = idsOf(batch) as [number, number, number, number]
      assert.deepStrictEqual(yield* settle(batch, done(a)), [a])
      yield* commitMany(1, 5)
      assert.deepStrictEqual(idsOf(yield* claim({ worker: "w2" })), [])
      assert.deepInclude(yield* eventOf(b), { status: "processing", lease_owner: "w1" })
      assert.deepStrictEqual(yield* settle(batch, retry(b), done(a)), [b])
      assert.deepStrictEqual(yield* settle(batch, dead(c), release(d), retry(b)), [c, d])
      assert.strictEqual((yield* claim({ worker: "w2" })).deliveries.length, 3)
    }).pipe(fresh))

  it.effect("frees each lane once all its rows are settled", () =>
    Effect.gen(function*() {
      const [a, b] = [Changes.idInLane(1), Changes.idInLane(2)]
      yield* commit(changeOf({ id: a }), changeOf({ id: b }))
      const batch = yield* claim()
      const ofA = batch.deliveries.find(({ entityId }) => entityId === a)!.id
      yield* settle(batch, done(ofA))
      yield* commit(changeOf({ id: a, version: 2 }), changeOf({ id: b, version: 2 }))
      const next = yield* claim({ worker: "w2" })
      assert.deepStrictEqual(next.deliveries.map(({ entityId, version }) => [entityId, version]), [[a, 2]])
    }).pipe(fresh))

  it.effect("settles what is named, though it is named twice", () =>
    Effect.gen(function*() {
      yield* commitMany(2, 1)
      const batch = yield* claim()
      const [a, b] = idsOf(batch) as [number, number]
      assert.deepStrictEqual(yield* settle(batch, done(a), done(a)), [a])
      assert.deepInclude(yield* eventOf(b), { status: "processing" })
    }).pipe(fresh))

  it.effect("takes back what was not settled when the lease ends, and only that", () =>
    Effect.gen(function*() {
      yield* commitMany(3, 5)
      const batch = yield* claim()
      const [a, b, c] = idsOf(batch) as [number, number, number]
      yield* settle(batch, done(a), retry(b, 60_000))
      yield* passTime("31 seconds")
      assert.deepStrictEqual((yield* reclaim()).map(({ id }) => id), [c])
      assert.deepStrictEqual(idsOf(yield* claim({ worker: "w2" })), [c])
    }).pipe(fresh))
}

const releasing = (it: It) => {
  it.effect("gives back at once or after a while, without counting", () =>
    Effect.gen(function*() {
      yield* commitMany(2, 5)
      const batch = yield* claim()
      const [a, b] = idsOf(batch) as [number, number]
      yield* settle(batch, release(a), release(b, 20_000))
      const now = yield* claim()
      assert.deepInclude(now.deliveries[0], { id: a, attempt: 1 })
      assert.strictEqual(now.deliveries.length, 1)
      yield* settle(now, release(a, 60_000))
      yield* passTime("21 seconds")
      const later = yield* claim()
      assert.deepInclude(later.deliveries[0], { id: b, attempt: 1 })
      assert.closeTo(later.deliveries[0]!.readyAt - later.deliveries[0]!.waitingSince, 20_000_000, 1_000_000)
      assert.deepStrictEqual(yield* attemptsOf(b), [])
    }).pipe(fresh))

  it.effect("says why it was given back, and keeps what was said before when there is nothing to say", () =>
    Effect.gen(function*() {
      const { batch, id } = yield* oneClaimed
      yield* settle(batch, {
        _tag: "Release",
        id,
        delayMs: 0,
        why: { errorType: "es_connect", detail: "no node answers" }
      })
      const said = {
        error_type: "es_connect",
        error_detail: "no node answers",
        attempts: 0,
        status: "pending"
      } as const
      assert.deepInclude(yield* eventOf(id), said)
      yield* settle(yield* claim(), release(id))
      assert.deepInclude(yield* eventOf(id), said)
    }).pipe(fresh))
}

export const suite = suiteOf<Needs>("Settling", [settling, partly, releasing])
