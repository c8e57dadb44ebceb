/** What every store promises of claims and their leases: P-01 to P-03. */
import { assert, type Vitest } from "@effect/vitest"
import { Effect } from "effect"
import type { Heartbeats } from "../../src/outbox/Heartbeats.ts"
import type { Leases, Settlement } from "../../src/outbox/Leases.ts"
import type { Outbox } from "../../src/outbox/Outbox.ts"
import type { OutboxReport } from "../../src/outbox/OutboxReport.ts"
import type { Transaction } from "../../src/outbox/Transaction.ts"
import { attemptsOf, type Backstage, fresh, passTime } from "../support/Backstage.ts"
import * as Changes from "../support/Changes.ts"
import { suiteOf } from "./Suite.ts"

const { changeOf, claim, commit, commitMany, dead, done, eventOf, extend, idsOf, oneClaimed, reclaim, release, retry } =
  Changes
const { settle, superseded, takenOver } = Changes

type Needs = Leases | Heartbeats | Outbox | OutboxReport | Transaction | Backstage
type It = Vitest.MethodsNonLive<Needs>

const claims = (it: It) => {
  it.effect("claims the oldest of a lane first and no more than the limit", () =>
    Effect.gen(function*() {
      const changes = yield* commitMany(9, 3)
      const claimed: Array<ReadonlyArray<string>> = []
      for (let turn = 0; turn < 4; turn++) {
        const batch = yield* claim({ limit: 4 })
        claimed.push(batch.deliveries.map(({ entityId }) => entityId))
        yield* settle(batch, ...idsOf(batch).map(done))
      }
      const parts = [changes.slice(0, 4), changes.slice(4, 8), changes.slice(8), []]
      assert.deepStrictEqual(claimed, parts.map((part) => part.map(({ id }) => id)))
    }).pipe(fresh))

  it.effect("gives rows of a lane that waited out their back-off before newer ones", () =>
    Effect.gen(function*() {
      yield* commitMany(1, 3)
      const batch = yield* claim()
      const [id] = idsOf(batch) as [number]
      yield* settle(batch, retry(id, 10_000))
      yield* commitMany(3, 3)
      yield* passTime("11 seconds")
      assert.deepStrictEqual(idsOf(yield* claim({ limit: 1 })), [id])
    }).pipe(fresh))

  it.effect("keeps the projections apart", () =>
    Effect.gen(function*() {
      yield* commitMany(2)
      assert.strictEqual((yield* claim()).deliveries.length, 2)
      assert.deepStrictEqual((yield* claim({ projection: "realtime" })).deliveries, [])
      assert.strictEqual((yield* claim({ projection: "chronicle" })).deliveries.length, 2)
    }).pipe(fresh))

  it.effect("tells all that was written", () =>
    Effect.gen(function*() {
      const change = changeOf({ kind: "block", version: 7, op: "delete" })
      yield* commit(change).pipe(Changes.tracedAs(context), Changes.requestedAs("r-1", "ann"))
      const { claimedAt, deliveries: [delivery], worker } = yield* claim({ projection: "chronicle", worker: "w7" })
      assert.strictEqual(worker, "w7")
      assert.deepInclude(delivery, {
        kind: "block",
        entityId: change.id,
        version: 7,
        op: "delete",
        attempt: 1,
        trace: context,
        requestId: "r-1",
        actor: "ann",
        reclaimed: false
      })
      assert.deepStrictEqual(delivery!.fields, change.fields)
      assert.isAtMost(delivery!.createdAt, claimedAt)
      assert.closeTo(delivery!.waitingSince, delivery!.createdAt, 1_000_000)
      assert.closeTo(delivery!.readyAt, delivery!.waitingSince, 1_000_000)
    }).pipe(fresh))
}

const leases = (it: It) => {
  it.effect("does not give away what is leased", () =>
    Effect.gen(function*() {
      const { id } = yield* oneClaimed
      yield* passTime("29 seconds")
      assert.deepStrictEqual(yield* reclaim(), [])
      assert.deepStrictEqual(idsOf(yield* claim({ worker: "w2" })), [])
      assert.deepInclude(yield* eventOf(id), { status: "processing", lease_owner: "w1", attempts: 1 })
    }).pipe(fresh))

  it.effect("gives an expired row to the next claimer, and refuses the late settlement", () =>
    Effect.gen(function*() {
      const { id, now, old } = yield* takenOver
      assert.deepInclude(now.deliveries[0], { id, attempt: 2, reclaimed: true })
      const before = yield* eventOf(id)
      const late: ReadonlyArray<Settlement> = [done(id), superseded(id), retry(id), dead(id), release(id)]
      for (const settlement of late) assert.deepStrictEqual(yield* settle(old, settlement), [], settlement._tag)
      assert.deepStrictEqual(yield* eventOf(id), before)
      assert.deepStrictEqual(yield* settle(now, done(id)), [id])
      assert.deepStrictEqual((yield* attemptsOf(id)).map(({ outcome }) => outcome), ["lease_lost", "acked"])
    }).pipe(fresh))

  it.effect("refuses a settlement after the lease has ended, though nobody has taken the row yet", () =>
    Effect.gen(function*() {
      const { batch, id } = yield* oneClaimed
      yield* passTime("31 seconds")
      const before = yield* eventOf(id)
      for (const settlement of [done(id), retry(id), dead(id), release(id)]) {
        assert.deepStrictEqual(yield* settle(batch, settlement), [], settlement._tag)
      }
      assert.deepStrictEqual(yield* eventOf(id), before)
      assert.deepStrictEqual(yield* attemptsOf(id), [])
    }).pipe(fresh))

  it.effect("tells the same worker's claims apart", () =>
    Effect.gen(function*() {
      const { batch, id } = yield* oneClaimed
      yield* passTime("31 seconds")
      yield* reclaim()
      const again = yield* claim({ worker: batch.worker })
      assert.deepStrictEqual(yield* settle(batch, done(id)), [])
      assert.deepStrictEqual(yield* settle(again, done(id)), [id])
    }).pipe(fresh))

  it.effect("refuses each of those who had it before, however often it was taken back", () =>
    Effect.gen(function*() {
      const { batch, id } = yield* oneClaimed
      const had = [batch]
      for (let times = 0; times < 2; times++) {
        yield* passTime("31 seconds")
        yield* reclaim()
        had.push(yield* claim())
      }
      const now = had.pop()!
      for (const old of had) {
        for (const settlement of [done(id), retry(id), dead(id), release(id)]) {
          assert.deepStrictEqual(yield* settle(old, settlement), [], settlement._tag)
        }
        assert.strictEqual((yield* extend(old)).size, 0)
      }
      assert.deepStrictEqual(yield* settle(now, done(id)), [id])
      assert.deepStrictEqual((yield* attemptsOf(id)).map(({ attempt }) => attempt), [1, 2, 3])
    }).pipe(fresh))

  it.effect("lengthens only what is still held", () =>
    Effect.gen(function*() {
      yield* commitMany(3)
      const batch = yield* claim()
      const [first, ...rest] = idsOf(batch)
      yield* settle(batch, done(first!))
      yield* passTime("20 seconds")
      assert.deepStrictEqual([...yield* extend(batch)].toSorted((a, b) => a - b), rest)
      yield* passTime("20 seconds")
      assert.deepStrictEqual(yield* reclaim(), [])
      assert.deepStrictEqual(yield* settle(batch, ...rest.map(done)), rest)
    }).pipe(fresh))

  it.effect("does not bring an ended lease back to life", () =>
    Effect.gen(function*() {
      const { batch, id } = yield* oneClaimed
      yield* passTime("31 seconds")
      assert.strictEqual((yield* extend(batch)).size, 0)
      assert.deepStrictEqual((yield* reclaim()).map((lost) => lost.id), [id])
    }).pipe(fresh))

  it.effect("does not lengthen the lease of who has it now for who had it", () =>
    Effect.gen(function*() {
      const { id, old } = yield* takenOver
      yield* passTime("20 seconds")
      assert.strictEqual((yield* extend(old)).size, 0)
      yield* passTime("11 seconds")
      assert.deepStrictEqual((yield* reclaim()).map((lost) => lost.id), [id])
    }).pipe(fresh))
}

const context = {
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
  tracestate: "vendor=abc,other@tenant=1"
}

export const suite = suiteOf<Needs>("Leases", [claims, leases])
