/** What every store promises of lanes: none is shared, none is starved, none is claimed while its outbox is paused. */
import { assert, type Vitest } from "@effect/vitest"
import { Effect } from "effect"
import type { Batch, Leases } from "../../src/outbox/Leases.ts"
import type { Outbox } from "../../src/outbox/Outbox.ts"
import type { OutboxReport } from "../../src/outbox/OutboxReport.ts"
import { ProjectionControl } from "../../src/outbox/ProjectionControl.ts"
import type { Transaction } from "../../src/outbox/Transaction.ts"
import { type Backstage, fresh, passTime } from "../support/Backstage.ts"
import * as Changes from "../support/Changes.ts"
import { suiteOf } from "./Suite.ts"

const { changeOf, claim, claimAlone, commit, commitMany, done, idInLane, idsOf, reclaim, retry, settle } = Changes

type Needs = Leases | Outbox | OutboxReport | ProjectionControl | Transaction | Backstage
type It = Vitest.MethodsNonLive<Needs>

const lanesOf = ({ deliveries }: Batch) => [...new Set(deliveries.map(({ entityId }) => laneOf(entityId)))]

/** All that tests need of them: entities made in different lanes are in different lanes. */
const laneOf = (id: string) => Number.parseInt(id.slice(-2), 16) % 32

const allDone = (batch: Batch) => settle(batch, ...idsOf(batch).map(done))

const sharing = (it: It) => {
  it.effect("gives each lane to one of many who claim at once, and each row once", () =>
    Effect.gen(function*() {
      yield* commitMany(400)
      const workers = Array.from({ length: 12 }, (_, at) => `w${at}`)
      const ids: Array<number> = []
      for (let round = 0; round < 100 && ids.length < 400; round++) {
        const batches = yield* Effect.forEach(workers, (worker) => claim({ worker, limit: 9 }), {
          concurrency: "unbounded"
        })
        const lanes = batches.flatMap(lanesOf)
        assert.strictEqual(new Set(lanes).size, lanes.length, "no lane is shared")
        assert.strictEqual(new Set(batches.map(({ token }) => token)).size, batches.length)
        for (const batch of batches) assert.isAtMost(batch.deliveries.length, 9)
        ids.push(...batches.flatMap(idsOf))
        yield* Effect.forEach(batches, allDone, { concurrency: "unbounded" })
      }
      assert.strictEqual(ids.length, 400)
      assert.strictEqual(new Set(ids).size, 400)
    }).pipe(fresh))

  it.effect("keeps all rows of an entity to one claim at a time", () =>
    Effect.gen(function*() {
      const id = idInLane(7)
      yield* commit(...[1, 2, 3].map((version) => changeOf({ id, version })))
      const first = yield* claim({ limit: 1 })
      assert.strictEqual(first.deliveries[0]!.version, 1)
      assert.deepStrictEqual(idsOf(yield* claim({ worker: "w2" })), [])
      yield* allDone(first)
      assert.deepStrictEqual((yield* claim({ worker: "w2" })).deliveries.map(({ version }) => version), [2, 3])
    }).pipe(fresh))

  it.effect("takes a few rows out of many lanes with one claim", () =>
    Effect.gen(function*() {
      yield* commit(...Array.from({ length: 32 }, (_, lane) => changeOf({ id: idInLane(lane) })))
      const batch = yield* claim()
      assert.strictEqual(batch.deliveries.length, 32)
      assert.strictEqual(lanesOf(batch).length, 32)
      assert.strictEqual((yield* allDone(batch)).length, 32)
    }).pipe(fresh))

  it.effect("leaves the lanes that it does not need to others", () =>
    Effect.gen(function*() {
      yield* commit(...[1, 2, 3].map((lane) => changeOf({ id: idInLane(lane) })))
      const batches = yield* Effect.forEach(["w1", "w2", "w3"], (worker) => claim({ worker, limit: 1 }))
      assert.sameMembers(batches.flatMap(lanesOf), [1, 2, 3])
    }).pipe(fresh))
}

const turns = (it: It) => {
  it.effect("lets every lane have its turn, however much lies in one of them", () =>
    Effect.gen(function*() {
      yield* commitMany(100, 1)
      yield* commitMany(2, 2)
      yield* commitMany(2, 3)
      const order: Array<number> = []
      for (let turn = 0; turn < 6; turn++) {
        const batch = yield* claim({ limit: 1 })
        order.push(...lanesOf(batch))
        yield* allDone(batch)
      }
      assert.deepStrictEqual(order.toSorted(), [1, 1, 2, 2, 3, 3])
      assert.deepStrictEqual(order.slice(0, 3), order.slice(3), "they take turns")
    }).pipe(fresh))

  it.effect("gives what comes to an idle lane before more of a busy one", () =>
    Effect.gen(function*() {
      yield* commitMany(20, 4)
      yield* allDone(yield* claim({ limit: 5 }))
      yield* commitMany(1, 9)
      const batch = yield* claim({ limit: 5 })
      assert.sameMembers(lanesOf(batch), [4, 9])
      assert.strictEqual(batch.deliveries.length, 5)
    }).pipe(fresh))

  it.effect("goes on in the other lanes while one is held", () =>
    Effect.gen(function*() {
      yield* commitMany(3, 1)
      yield* claim({ limit: 1, worker: "w-slow" })
      yield* commitMany(3, 2)
      const batch = yield* claim()
      assert.deepStrictEqual(lanesOf(batch), [2])
      assert.strictEqual(batch.deliveries.length, 3)
    }).pipe(fresh))
}

const pausing = (it: It) => {
  it.effect("gives out nothing while the outbox is paused, and goes on where it was", () =>
    Effect.gen(function*() {
      const control = yield* ProjectionControl
      yield* commitMany(3, 1)
      const before = yield* claim({ limit: 1 })
      yield* commitMany(2, 2)
      yield* control.pause("search", "the engine is being replaced")
      assert.deepStrictEqual(idsOf(yield* claim()), [])
      assert.deepStrictEqual(idsOf(yield* claimAlone()), [])
      assert.strictEqual((yield* claim({ projection: "chronicle" })).deliveries.length, 5)
      assert.strictEqual((yield* allDone(before)).length, 1)
      assert.deepStrictEqual(idsOf(yield* claim()), [])
      yield* control.resume("search")
      assert.strictEqual((yield* claim()).deliveries.length, 4)
    }).pipe(fresh))

  it.effect("takes back what was lost and waits out delays also while it is paused", () =>
    Effect.gen(function*() {
      const control = yield* ProjectionControl
      yield* commit(changeOf({ id: idInLane(1) }), changeOf({ id: idInLane(2) }))
      const lost = yield* claim({ limit: 1 })
      const other = yield* claim({ limit: 1 })
      yield* settle(other, retry(idsOf(other)[0]!, 20_000))
      yield* control.pause("search", null)
      yield* passTime("31 seconds")
      assert.deepStrictEqual((yield* reclaim()).map(({ id }) => id), idsOf(lost))
      assert.deepStrictEqual(idsOf(yield* claim()), [])
      yield* control.resume("search")
      assert.strictEqual((yield* claim()).deliveries.length, 2)
    }).pipe(fresh))
}

export const suite = suiteOf<Needs>("Lanes", [sharing, turns, pausing])
