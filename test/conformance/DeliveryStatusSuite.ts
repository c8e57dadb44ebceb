/** What every outbox tells of single versions: whether they are still to come, buried, or told. */
import { assert, type Vitest } from "@effect/vitest"
import { Effect } from "effect"
import { DeliveryStatus, type Version } from "../../src/outbox/DeliveryStatus.ts"
import type { Leases } from "../../src/outbox/Leases.ts"
import type { Outbox } from "../../src/outbox/Outbox.ts"
import { OutboxReport } from "../../src/outbox/OutboxReport.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import type { Transaction } from "../../src/outbox/Transaction.ts"
import { type Backstage, fresh } from "../support/Backstage.ts"
import { changeOf, claim, commit, dead, done, idInLane, newId, release, retry, settle } from "../support/Changes.ts"
import { suiteOf } from "./Suite.ts"

type Needs = DeliveryStatus | Leases | Outbox | OutboxReport | Transaction | Backstage
type It = Vitest.MethodsNonLive<Needs>

const look = (projection: Projection, ...versions: ReadonlyArray<Version>) =>
  DeliveryStatus.use((status) => status.look(projection, versions))
const search = (...versions: ReadonlyArray<Version>) => look("search", ...versions)

const looking = (it: It) => {
  it.effect("says of a version that it is pending until it is settled as done, whatever happens in between", () =>
    Effect.gen(function*() {
      const asked = { id: newId(), version: 1 }
      assert.deepStrictEqual(yield* search(asked), ["delivered"])
      yield* commit(changeOf({ id: asked.id }))
      assert.deepStrictEqual(yield* search(asked), ["pending"])
      for (const settlement of [release, retry, done]) {
        const batch = yield* claim()
        assert.deepStrictEqual(yield* search(asked), ["pending"])
        yield* settle(batch, settlement(batch.deliveries[0]!.id))
      }
      assert.deepStrictEqual(yield* search(asked), ["delivered"])
    }).pipe(fresh))

  it.effect("looks at earlier versions of the entity too, and not at later ones", () =>
    Effect.gen(function*() {
      const id = newId()
      yield* commit(changeOf({ id, version: 2 }), changeOf({ id, version: 3 }))
      const states = yield* search(...[1, 2, 3, 4].map((version) => ({ id, version })))
      assert.deepStrictEqual(states, ["delivered", "pending", "pending", "pending"])
    }).pipe(fresh))

  it.effect("says of a version that it is dead, and of no other version of the entity", () =>
    Effect.gen(function*() {
      const id = newId()
      yield* commit(changeOf({ id }))
      const batch = yield* claim()
      yield* settle(batch, dead(batch.deliveries[0]!.id))
      yield* commit(changeOf({ id, version: 2 }))
      const both = [{ id, version: 1 }, { id, version: 2 }]
      assert.deepStrictEqual(yield* search(...both), ["dead", "pending"])
      const later = yield* claim()
      yield* settle(later, done(later.deliveries[0]!.id))
      assert.deepStrictEqual(yield* search(...both), ["dead", "delivered"])
      yield* OutboxReport.use((report) => report.replay({ projection: "search" }))
      assert.deepStrictEqual(yield* search(...both), ["pending", "pending"])
    }).pipe(fresh))

  it.effect("asks one projection, and answers all that is asked in its order", () =>
    Effect.gen(function*() {
      const changes = Array.from({ length: 500 }, (_, at) => changeOf({ id: idInLane(at % 32) }))
      yield* commit(...changes)
      const batch = yield* claim({ limit: 100 })
      yield* settle(batch, ...batch.deliveries.map(({ id }) => done(id)))
      const told = new Set(batch.deliveries.map(({ entityId }) => entityId))
      assert.isNotEmpty(told)
      const asked = changes.toReversed().map(({ id, version }) => ({ id, version }))
      assert.deepStrictEqual(
        yield* search(...asked),
        asked.map(({ id }) => told.has(id) ? "delivered" : "pending")
      )
      assert.deepStrictEqual([...new Set(yield* look("chronicle", ...asked))], ["pending"])
      assert.deepStrictEqual(yield* search(), [])
    }).pipe(fresh))
}

export const suite = suiteOf<Needs>("DeliveryStatus", [looking])
