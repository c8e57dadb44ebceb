/** What reconciling promises, with a real database and a real index. */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, type Layer, Ref } from "effect"
import { SqlClient } from "effect/sql"
import type { Catalog } from "../../src/catalog/Catalog.ts"
import type { Destination } from "../../src/delivery/Destination.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import type { Leases } from "../../src/outbox/Leases.ts"
import type { Outbox } from "../../src/outbox/Outbox.ts"
import type { Transaction } from "../../src/outbox/Transaction.ts"
import type { ReconcileStore } from "../../src/reconcile/ReconcileStore.ts"
import { driftCount } from "../../src/search/Drift.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import type { SearchSource } from "../../src/search/SearchSource.ts"
import { write } from "../search/SearchFixtures.ts"
import { type Backstage, fresh } from "../support/Backstage.ts"
import * as RecordedSpans from "../support/RecordedSpans.ts"
import { catalog, entriesOf, found, shelf, tell } from "./Scenes.ts"
import { Vandal } from "./Vandals.ts"

export type Needs =
  | Backstage
  | Catalog
  | Destination
  | Leases
  | Outbox
  | ReconcileStore
  | SearchIndex
  | SearchSource
  | SqlClient.SqlClient
  | Transaction
  | Vandal

/** Next to another one's, so that both are in one range. */
const beside = (id: EntityId) => EntityId.make(id.slice(0, -1) + (id.endsWith("0") ? "1" : "0"))

const rowsOf = Effect.fnUntraced(function*(table: "outbox_search" | "outbox_chronicle") {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<{ readonly entity_id: EntityId; readonly traceparent: string | null }>`
    select entity_id, traceparent from ${sql(table)} where actor = 'reconcile'`
})

/** A thousand documents, damaged in every way, all in the first thousands of blocks. */
const damage = Effect.fnUntraced(function*(blocks: ReadonlyArray<EntityId>) {
  const vandal = yield* Vandal
  const each = (way: number) => blocks.slice(way * 125, (way + 1) * 125)
  yield* vandal.remove(each(0))
  yield* vandal.set(each(1), { title: "another title" })
  yield* vandal.set(each(2), { tags: ["another tag"] })
  yield* vandal.set(each(3), { deleted: true })
  yield* vandal.put(each(4).map((id) => write({ title: "an older one" }, { id })))
  yield* vandal.put(each(5).map((id) => write({ title: "a newer one" }, { id, version: 9, revision: 40 })))
  const orphans = each(6).map(beside)
  yield* vandal.put(orphans.map((id) => write({ title: "an orphan" }, { id, version: 3 })))
  // Removed by us, and back again.
  const back = each(7)
  for (const id of back) yield* catalog(({ remove }) => remove("block", id, undefined))
  yield* tell
  yield* vandal.put(back.map((id) => write({ title: "back again" }, { id, version: 7, revision: 20 })))
  if ((yield* SearchIndex).engine === "postgres") yield* vandal.set(back, { deleted: false })
  yield* SearchIndex.use(({ refresh }) => refresh)
  const classes = ["missing", "stale", "stale", "missing", "stale", "stale"] as const
  return new Map<EntityId, string>([
    ...classes.flatMap((name, way) => each(way).map((id) => [id, name] as const)),
    ...[...orphans, ...back].map((id) => [id, "orphaned"] as const)
  ])
})

/** Writes of every kind, told as they are told by a worker, until `ended`. */
const busy = Effect.fnUntraced(function*(ended: Ref.Ref<boolean>, library_id: EntityId, seeded: EntityId) {
  let last = seeded
  for (let n = 0; !(yield* Ref.get(ended)); n++) {
    const fields = { library_id, title: `t${n}`, body: "", tag_ids: [] }
    const made = yield* catalog(({ createAll }) => createAll("block", [fields, fields, fields]))
    yield* catalog(({ change }) => change("block", seeded, { title: `seeded ${n}` }, undefined))
    if (last !== seeded) yield* catalog(({ remove }) => remove("block", last, undefined))
    last = made[0]!.id
  }
})

const telling = (ended: Ref.Ref<boolean>) =>
  Effect.gen(function*() {
    while (!(yield* Ref.get(ended))) yield* tell
  })

export const suite = <E>(name: string, given: Layer.Layer<Needs, E>) =>
  layer(given, { excludeTestServices: true, timeout: "60 seconds" })(`reconcile (${name})`, (it) => {
    const onEmpty = <A, E, R>(test: Effect.Effect<A, E, R>) =>
      Effect.gen(function*() {
        yield* Vandal.use(({ clear }) => clear)
        yield* SearchIndex.use(({ prepare }) => prepare)
        return yield* test
      }).pipe(fresh)

    it.effect("finds exactly what was damaged, repairs exactly that, and then finds nothing", () =>
      Effect.gen(function*() {
        const { blocks } = yield* shelf(3_300)
        yield* tell
        assert.strictEqual(driftCount((yield* found()).outcome), 0)
        const damaged = yield* damage(blocks)
        assert.strictEqual(damaged.size, 1_000)
        const healthy = blocks.filter((id) => !damaged.has(id))
        const before = yield* entriesOf(healthy)

        const { drifts, outcome } = yield* found()
        assert.deepStrictEqual(new Map(drifts.map(({ class: name, id }) => [id, name])), damaged)
        assert.deepInclude(outcome, { missing: 250, stale: 500, orphaned: 250, underWay: 0, enqueued: 0 })
        assert.isBelow(outcome.differing, outcome.ranges)
        assert.lengthOf(yield* rowsOf("outbox_search"), 0)

        const repaired = yield* found(true)
        assert.deepInclude(repaired.outcome, { enqueued: 1_000, beyond: 0 })
        const rows = yield* rowsOf("outbox_search")
        assert.sameMembers(rows.map(({ entity_id }) => entity_id), [...damaged.keys()])
        assert.lengthOf(yield* rowsOf("outbox_chronicle"), 0)
        // What has been enqueued is under way, and not found again.
        assert.deepInclude((yield* found()).outcome, { missing: 0, stale: 0, orphaned: 0, underWay: 1_000 })

        assert.strictEqual(yield* tell, 1_000)
        const { outcome: last } = yield* found()
        assert.deepInclude(last, { differing: 0, missing: 0, stale: 0, orphaned: 0 })
        assert.deepStrictEqual(yield* entriesOf(healthy), before)
        // And the next write of a repaired one is a newer one still.
        yield* catalog(({ change }) => change("block", blocks[700]!, { title: "changed" }, undefined))
        yield* tell
        assert.strictEqual(driftCount((yield* found()).outcome), 0)
      }).pipe(onEmpty))

    it.effect("traces a repair from its transaction on", () =>
      Effect.gen(function*() {
        const { blocks } = yield* shelf(2)
        yield* tell
        yield* Vandal.use((vandal) => vandal.remove(blocks))
        yield* found(true)
        const span = (yield* RecordedSpans.named("reconcile.repair"))[0]!
        assert.deepStrictEqual(yield* RecordedSpans.tree(span, "rows", "projection"), [
          "reconcile.repair rows=2",
          "  db.tx",
          "  outbox.enqueue PRODUCER projection=search",
          "  outbox.enqueue PRODUCER projection=search"
        ])
        yield* tell
        assert.strictEqual(driftCount((yield* found()).outcome), 0)
      }).pipe(onEmpty, Effect.provide(RecordedSpans.layer)))

    it.effect("finds no drift in what is being written and told meanwhile", () =>
      Effect.gen(function*() {
        const { blocks, library } = yield* shelf(1_200)
        yield* tell
        const ended = yield* Ref.make(false)
        const fibers = yield* Effect.forEach(
          [busy(ended, library.id, blocks[5]!), busy(ended, library.id, blocks[1_100]!), telling(ended)],
          (each) => Effect.forkChild(each)
        )
        let looks = 0
        for (let time = 0; time < 6; time++) {
          const { drifts, outcome } = yield* found()
          assert.deepStrictEqual(drifts, [])
          looks += outcome.underWay
        }
        assert.isAbove(looks, 0)
        yield* Ref.set(ended, true)
        yield* Effect.forEach(fibers, Fiber.join)
        yield* tell
        assert.strictEqual(driftCount((yield* found()).outcome), 0)
      }).pipe(onEmpty))

    it.effect("leaves alone what no revision of ours could replace, and says so", () =>
      Effect.gen(function*() {
        const { blocks } = yield* shelf(1)
        yield* tell
        yield* Vandal.use((vandal) => vandal.put([write({}, { id: blocks[0]!, revision: 3_000_000_000 })]))
        yield* SearchIndex.use(({ refresh }) => refresh)
        const { outcome } = yield* found(true)
        assert.deepInclude(outcome, { stale: 1, enqueued: 0, beyond: 1 })
      }).pipe(onEmpty))
  })
