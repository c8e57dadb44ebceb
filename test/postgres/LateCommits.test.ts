/** Ids are drawn before their rows are committed: one that appears below others that are long done is told as well. */
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { SqlClient } from "effect/sql"
import { lookBack } from "../../layers/postgres/Claim.ts"
import type { Change } from "../../src/domain/Change.ts"
import { Leases } from "../../src/outbox/Leases.ts"
import { Outbox } from "../../src/outbox/Outbox.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import { fresh, passTime } from "../support/Backstage.ts"
import { changeOf, claim, commitMany, done, idInLane, idsOf, settle } from "../support/Changes.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

/** A transaction that has drawn its ids, and commits when told to. */
const opened = Effect.fnUntraced(function*(...changes: ReadonlyArray<Change>) {
  const [outbox, transaction] = [yield* Outbox, yield* Transaction]
  const [written, ended] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const body = Effect.gen(function*() {
    yield* outbox.append(changes)
    yield* Deferred.succeed(written, undefined)
    yield* Deferred.await(ended)
  })
  const fiber = yield* Effect.forkChild(transaction.run(body))
  yield* Effect.raceFirst(Deferred.await(written), Fiber.join(fiber))
  return { commit: Effect.andThen(Deferred.succeed(ended, undefined), Fiber.join(fiber)) }
})

/** Claims until nothing is given out any more, and answers the entities in the order in which they were. */
const drained = Effect.gen(function*() {
  const told: Array<string> = []
  for (let turn = 0; turn < 50; turn++) {
    const batch = yield* claim({ limit: 5_000 })
    if (batch.deliveries.length === 0) return told
    told.push(...batch.deliveries.map(({ entityId }) => entityId))
    yield* settle(batch, ...idsOf(batch).map(done))
  }
  return assert.fail("it never ends")
})

const sweep = Leases.use((leases) => leases.sweep("search"))

layer(PostgresStores.layer, { excludeTestServices: true })("rows that are committed late", (it) => {
  it.effect("are found by the next claim as long as their ids are not far behind", () =>
    Effect.gen(function*() {
      const late = changeOf({ id: idInLane(3) })
      const transaction = yield* opened(late)
      yield* commitMany(50, 3)
      assert.strictEqual((yield* drained).length, 50)
      yield* transaction.commit
      assert.deepStrictEqual(yield* drained, [late.id])
    }).pipe(fresh))

  it.effect("are found by the sweep however far behind they are, and told before newer ones", () =>
    Effect.gen(function*() {
      const late = [3, 3, 7].map((lane) => changeOf({ id: idInLane(lane) }))
      const transaction = yield* opened(...late)
      for (const lane of [3, 7]) yield* commitMany(lookBack + 100, lane)
      assert.strictEqual((yield* drained).length, 2 * (lookBack + 100))
      yield* transaction.commit
      assert.deepStrictEqual(yield* drained, [], "no claim looks that far back")
      const newer = yield* commitMany(1, 3)
      yield* sweep
      const batch = yield* claim({ limit: 1 })
      const order = [batch.deliveries[0]!.entityId]
      yield* settle(batch, ...idsOf(batch).map(done))
      order.push(...(yield* drained) as typeof order)
      assert.sameMembers(order, [...late, ...newer].map(({ id }) => id))
      const inLane = order.filter((id) => id.endsWith("03"))
      assert.deepStrictEqual(inLane, [late[0]!.id, late[1]!.id, newer[0]!.id])
    }).pipe(fresh))

  it.effect("are found by a later sweep when they come after one, and one at a time looks", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const late = changeOf({ id: idInLane(3) })
      const transaction = yield* opened(late)
      yield* commitMany(lookBack + 100, 3)
      yield* drained
      yield* Effect.all([sweep, sweep, sweep], { concurrency: "unbounded" })
      yield* transaction.commit
      yield* sweep
      const [turn] = yield* sql<{ readonly swept: boolean }>`
        select swept_at > '-infinity' as swept from outbox_projections where projection = 'search'`
      assert.isTrue(turn!.swept)
      yield* passTime("2 seconds")
      yield* sweep
      assert.deepStrictEqual(yield* drained, [late.id])
    }).pipe(fresh))

  it.effect("are not given out twice by a sweep that finds them in flight", () =>
    Effect.gen(function*() {
      const late = changeOf({ id: idInLane(3) })
      const transaction = yield* opened(late)
      yield* commitMany(lookBack + 100, 3)
      yield* drained
      yield* transaction.commit
      yield* sweep
      const batch = yield* claim()
      assert.strictEqual(batch.deliveries.length, 1)
      yield* passTime("2 seconds")
      yield* sweep
      assert.deepStrictEqual(idsOf(yield* claim()), [])
      assert.deepStrictEqual(yield* settle(batch, ...idsOf(batch).map(done)), idsOf(batch))
      assert.deepStrictEqual(yield* drained, [])
    }).pipe(fresh))
})
