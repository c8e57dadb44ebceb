/** What every store promises to whoever repairs an index and does so from time to time. */
import { assert, type Vitest } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { Catalog } from "../../src/catalog/Catalog.ts"
import type { EntityId, EntityKind } from "../../src/domain/Entity.ts"
import type { Leases } from "../../src/outbox/Leases.ts"
import type { Outbox } from "../../src/outbox/Outbox.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import { ReconcileStore, type Surpassed } from "../../src/reconcile/ReconcileStore.ts"
import { SearchSource } from "../../src/search/SearchSource.ts"
import { type Backstage, fresh, passTime } from "../support/Backstage.ts"
import { claim, dead, done, newId, settle } from "../support/Changes.ts"
import { suiteOf } from "./Suite.ts"

type Needs = Catalog | SearchSource | ReconcileStore | Transaction | Outbox | Leases | Backstage

const catalog = Catalog.use.bind(Catalog)

const surpass = (...all: ReadonlyArray<Surpassed>) =>
  Effect.gen(function*() {
    const [store, transaction] = [yield* ReconcileStore, yield* Transaction]
    return yield* transaction.run(store.surpass(all))
  })

const stateOf = (id: EntityId) =>
  Effect.map(
    SearchSource.use((source) => source.load([id])),
    ([write]) => write && { version: write.version, revision: write.revision, deleted: write.document === null }
  )

const one = (kind: EntityKind, id: EntityId, above: number, more: Partial<Surpassed> = {}): Surpassed => ({
  kind,
  id,
  above,
  version: 1,
  isOrphan: false,
  ...more
})

const color = "#1E90FF"

const surpassing = (it: Vitest.MethodsNonLive<Needs>) => {
  it.effect("raises the revision above what the index has, and leaves the version as it is", () =>
    Effect.gen(function*() {
      const library = yield* catalog(({ create }) => create("library", { name: "l" }))
      const tag = yield* catalog(({ create }) => create("tag", { name: "t", color }))
      const fields = { library_id: library.id, title: "b", body: "", tag_ids: [] }
      const block = yield* catalog(({ create }) => create("block", fields))
      const changes = yield* surpass(
        one("block", block.id, 7),
        one("tag", tag.id, 1),
        one("library", library.id, 0),
        one("tag", newId(), 5)
      )
      const change = { version: 1, op: "upsert" as const, fields: [] }
      assert.sameDeepMembers([...changes], [
        { ...change, kind: "block", id: block.id, libraryId: library.id },
        { ...change, kind: "library", id: library.id, libraryId: null },
        { ...change, kind: "tag", id: tag.id, libraryId: null }
      ])
      assert.deepStrictEqual(yield* stateOf(block.id), { version: 1, revision: 8, deleted: false })
      assert.deepStrictEqual(yield* stateOf(tag.id), { version: 1, revision: 2, deleted: false })
      // Where the index is behind, the next revision is still a new one.
      assert.deepStrictEqual(yield* stateOf(library.id), { version: 1, revision: 2, deleted: false })
      assert.deepStrictEqual(yield* surpass(), [])
    }).pipe(fresh))

  it.effect("remembers an orphan as removed, above whatever the index has of it", () =>
    Effect.gen(function*() {
      const tag = yield* catalog(({ create }) => create("tag", { name: "t", color }))
      const gone = yield* catalog(({ create }) => create("tag", { name: "gone", color }))
      yield* catalog(({ remove }) => remove("tag", gone.id, undefined))
      const never = newId()
      const isOrphan = true
      const changes = yield* surpass(
        one("block", never, 12, { isOrphan, version: 4 }),
        one("tag", gone.id, 9, { isOrphan, version: 3_000_000_000 }),
        one("tag", tag.id, 3, { isOrphan })
      )
      const change = { op: "delete" as const, fields: [], libraryId: null }
      assert.sameDeepMembers([...changes], [
        { ...change, kind: "block", id: never, version: 5 },
        { ...change, kind: "tag", id: gone.id, version: 2 }
      ])
      assert.deepStrictEqual(yield* stateOf(never), { version: 5, revision: 13, deleted: true })
      assert.deepStrictEqual(yield* stateOf(gone.id), { version: 2, revision: 10, deleted: true })
      assert.isFalse((yield* stateOf(tag.id))?.deleted)
    }).pipe(fresh))
}

const turns = (it: Vitest.MethodsNonLive<Needs>) => {
  const day = Duration.days(1)

  it.effect("lets one in each time, however many ask", () =>
    Effect.gen(function*() {
      const { giveBack, takeTurn } = yield* ReconcileStore
      assert.isUndefined(yield* takeTurn(day))
      yield* passTime("1 day")
      const turns = yield* Effect.all(Array.from({ length: 8 }, () => takeTurn(day)), { concurrency: "unbounded" })
      assert.lengthOf(turns.filter((now) => now !== undefined), 1)
      yield* passTime("23 hours")
      assert.isUndefined(yield* takeTurn(day))
      yield* passTime("1 hour")
      const now = yield* takeTurn(day)
      yield* giveBack(day, Duration.minutes(10))
      assert.isUndefined(yield* takeTurn(day))
      yield* passTime("10 minutes")
      assert.isAtLeast((yield* takeTurn(day)) ?? 0, now!)
    }).pipe(fresh))

  it.effect("tells what was found last", () =>
    Effect.gen(function*() {
      const { last, record } = yield* ReconcileStore
      assert.isUndefined(yield* last)
      yield* record({ missing: 1, stale: 2, orphaned: 3 })
      assert.deepStrictEqual(yield* last, { missing: 1, stale: 2, orphaned: 3 })
    }).pipe(fresh))
}

const forgetting = (it: Vitest.MethodsNonLive<Needs>) => {
  it.effect("forgets who was removed long ago, unless the index is still to be told", () =>
    Effect.gen(function*() {
      const store = yield* ReconcileStore
      const name = (name: string) => ({ name, color })
      const [a, b, c, untold, buried, recent] = yield* catalog(({ createAll }) =>
        createAll("tag", ["a", "b", "c", "untold", "buried", "recent"].map(name))
      )
      const remove = (...tags: ReadonlyArray<{ readonly id: EntityId } | undefined>) =>
        Effect.forEach(tags, (tag) => catalog((service) => service.remove("tag", tag!.id, undefined)))
      yield* remove(a, b, c, buried)
      const batch = yield* claim()
      const rows = batch.deliveries.map(({ entityId, id, op }) =>
        entityId === buried!.id && op === "delete" ? dead(id) : done(id)
      )
      yield* settle(batch, ...rows)
      yield* remove(untold)
      yield* passTime("8 days")
      yield* remove(recent)
      yield* passTime("1 day")
      const now = (yield* store.takeTurn(Duration.days(1)))!
      const before = now - Duration.toMillis(Duration.days(7))
      assert.strictEqual(yield* store.forget(before, 2), 2)
      assert.strictEqual(yield* store.forget(before, 2), 1)
      assert.strictEqual(yield* store.forget(before, 2), 0)
      const known = yield* SearchSource.use((source) =>
        source.load([a, b, c, untold, buried, recent].map((t) => t!.id))
      )
      assert.sameMembers(known.map(({ id }) => id), [untold!.id, buried!.id, recent!.id])
    }).pipe(fresh))
}

export const suite = suiteOf<Needs>("ReconcileStore", [surpassing, turns, forgetting])
