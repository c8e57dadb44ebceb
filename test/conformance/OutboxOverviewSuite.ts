/** What every store shows of its outboxes at a glance. */
import { assert, type Vitest } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import type { Leases } from "../../src/outbox/Leases.ts"
import type { Outbox } from "../../src/outbox/Outbox.ts"
import { OutboxOverview } from "../../src/outbox/OutboxOverview.ts"
import type { OutboxReport } from "../../src/outbox/OutboxReport.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import type { Transaction } from "../../src/outbox/Transaction.ts"
import { type Backstage, fresh, passTime } from "../support/Backstage.ts"
import { claim, commitMany, dead, done, idsOf, settle } from "../support/Changes.ts"
import { suiteOf } from "./Suite.ts"

type Needs = Leases | Outbox | OutboxOverview | OutboxReport | Transaction | Backstage
type It = Vitest.MethodsNonLive<Needs>

const look = OutboxOverview.use((overview) => overview.look)
const glanceOf = (projection: Projection) =>
  Effect.map(look, ({ projections }) => projections.find((one) => one.projection === projection)!)

const glancing = (it: It) => {
  it.effect("counts what waits, is worked on, done and dead", () =>
    Effect.gen(function*() {
      yield* commitMany(4, 2)
      const batch = yield* claim({ limit: 3 })
      const [a, b] = idsOf(batch) as [number, number]
      yield* settle(batch, done(a), dead(b))
      assert.deepInclude(yield* glanceOf("search"), { pending: 1, processing: 1, done: 1, dead: 1 })
      assert.deepInclude(yield* glanceOf("chronicle"), { pending: 4, processing: 0, done: 0, dead: 0 })
      assert.deepInclude(yield* glanceOf("realtime"), { pending: 0, oldest_pending_age_seconds: 0 })
    }).pipe(fresh))

  it.effect("tells how many rows were finished per second over the last minute", () =>
    Effect.gen(function*() {
      yield* commitMany(30)
      const batch = yield* claim()
      yield* settle(batch, ...idsOf(batch).map(done))
      assert.closeTo((yield* glanceOf("search")).finished_per_second, 0.5, 0.01)
      assert.strictEqual((yield* glanceOf("chronicle")).finished_per_second, 0)
      yield* passTime("61 seconds")
      assert.strictEqual((yield* glanceOf("search")).finished_per_second, 0)
    }).pipe(fresh))

  it.effect("tells the pace of many by the newest of them", () =>
    Effect.gen(function*() {
      yield* commitMany(1_000)
      for (let claimed = 0; claimed < 1_000;) {
        const batch = yield* claim({ limit: 500 })
        yield* settle(batch, ...idsOf(batch).map(done))
        claimed += batch.deliveries.length
      }
      yield* passTime("10 seconds")
      const { finished_per_second } = yield* glanceOf("search")
      assert.isAbove(finished_per_second, 20)
      assert.isAtMost(finished_per_second, 100)
    }).pipe(fresh))

  it.effect("shows who holds how many rows of which outbox, and until when", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* look).workers, [])
      yield* commitMany(3)
      yield* claim({ worker: "b", limit: 100 })
      yield* claim({ worker: "b", limit: 100, projection: "chronicle" })
      yield* commitMany(1)
      yield* claim({ worker: "a" })
      const { at, workers } = yield* look
      assert.sameMembers(workers.map(({ id }) => id), workers.length === 1 ? ["b"] : ["a", "b"])
      const held = workers.flatMap(({ id, leases }) => leases.map(({ projection, rows }) => ({ id, projection, rows })))
      assert.strictEqual(held.reduce((sum, { rows }) => sum + rows, 0), workers.length === 1 ? 6 : 7)
      for (const { claimed_at, lease_until } of workers.flatMap(({ leases }) => leases)) {
        const seconds = (to: DateTime.Utc) => (DateTime.toEpochMillis(to) - DateTime.toEpochMillis(at)) / 1_000
        assert.closeTo(seconds(lease_until), 30, 5)
        assert.closeTo(seconds(claimed_at), 0, 5)
      }
    }).pipe(fresh))
}

export const suite = suiteOf<Needs>("OutboxOverview", [glancing])
