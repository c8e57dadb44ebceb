/** What a new name promises over whichever store: one line with the rename, and a row for each block that shows it. */
import { assert, type Vitest } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { Catalog } from "../../src/catalog/Catalog.ts"
import { runOnce } from "../../src/delivery/FanOut.ts"
import type { EntityId } from "../../src/domain/Entity.ts"
import { FanOuts } from "../../src/outbox/FanOuts.ts"
import type { Leases } from "../../src/outbox/Leases.ts"
import type { Outbox } from "../../src/outbox/Outbox.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import { SearchSource } from "../../src/search/SearchSource.ts"
import { type Backstage, fresh } from "../support/Backstage.ts"
import { claim, done, idsOf, requestedAs, settle, tracedAs } from "../support/Changes.ts"
import { suiteOf } from "./Suite.ts"

type Needs = Catalog | FanOuts | Leases | Outbox | SearchSource | Transaction | Backstage
type It = Vitest.MethodsNonLive<Needs>

const catalog = Catalog.use.bind(Catalog)
const pending = FanOuts.use((fanOuts) => fanOuts.pending)
const makeWith = (options: { readonly chunkMax: number; readonly backlogMax: number }) =>
  Effect.provide(runOnce(options), Logger.layer([]))
const make = makeWith({ chunkMax: 2, backlogMax: 1_000 })

const told = (projection: Projection = "search") =>
  Effect.gen(function*() {
    const batch = yield* claim({ projection, limit: 1_000 })
    yield* settle(batch, ...idsOf(batch).map(done))
    return batch.deliveries
  })

const quiet = Effect.andThen(told("search"), told("chronicle"))

/** All that is left to be made, and the blocks of each chunk. */
const drained = Effect.gen(function*() {
  const chunks: Array<ReadonlyArray<string>> = []
  for (let turn = 0; turn < 100; turn++) {
    if ((yield* make) === "Idle") return chunks
    chunks.push((yield* told()).map(({ entityId }) => entityId).toSorted())
  }
  return assert.fail("it never ends")
})

const tagNamed = (name: string) => catalog(({ create }) => create("tag", { name, color: "#1E90FF" }))
const rename = (kind: "tag" | "library", id: EntityId, name: string) =>
  catalog(({ change }) => change(kind, id, { name }, undefined))
const tagsOf = (id: EntityId) =>
  SearchSource.use((source) => Effect.map(source.load([id]), ([found]) => found?.document?.tags))
const revisionOf = (id: EntityId) => SearchSource.use((source) => Effect.map(source.load([id]), ([found]) => found))

/** A library, two tags, and so many blocks with the first of them; everybody has been told. */
const shelf = Effect.fnUntraced(function*(count: number) {
  const library = yield* catalog(({ create }) => create("library", { name: "animals" }))
  const [tag, other] = [yield* tagNamed("pet"), yield* tagNamed("wild")]
  const block = (title: string, ...tag_ids: ReadonlyArray<EntityId>) =>
    catalog(({ create }) => create("block", { library_id: library.id, title, body: "", tag_ids }))
  const blocks = yield* Effect.forEach(Array.from({ length: count }), (_, at) => block(`block ${at}`, other.id, tag.id))
  yield* quiet
  return { library, tag, other, block, ids: blocks.map(({ id }) => id).toSorted() }
})

const beginning = (it: It) => {
  it.effect("is left by a new name of a tag or a library, and by no other write", () =>
    Effect.gen(function*() {
      const { ids, library, tag } = yield* shelf(1)
      const change = catalog(({ change }) => change("tag", tag.id, { color: "#000000" }, undefined))
      const retitle = catalog(({ change }) => change("block", ids[0]!, { title: "cat" }, undefined))
      yield* Effect.all([change, retitle, rename("tag", tag.id, "pet"), tagNamed("new")])
      assert.strictEqual(yield* pending, 0)
      yield* rename("tag", tag.id, "house animal")
      assert.strictEqual(yield* pending, 1)
      yield* rename("library", library.id, "beasts")
      assert.strictEqual(yield* pending, 2)
    }).pipe(fresh))

  it.effect("is left with the rename or not at all", () =>
    Effect.gen(function*() {
      const { tag } = yield* shelf(1)
      const undone = Effect.andThen(rename("tag", tag.id, "house animal"), Effect.fail("no"))
      yield* Effect.flip(Transaction.use(({ run }) => run(undone)))
      assert.strictEqual(yield* pending, 0)
      assert.strictEqual(yield* make, "Idle")
    }).pipe(fresh))

  it.effect("costs the rename no row of a block", () =>
    Effect.gen(function*() {
      const { tag } = yield* shelf(5)
      yield* rename("tag", tag.id, "house animal")
      assert.deepStrictEqual((yield* told()).map(({ entityId }) => entityId), [tag.id])
      assert.deepStrictEqual((yield* told("chronicle")).map(({ entityId }) => entityId), [tag.id])
    }).pipe(fresh))
}

const reaching = (it: It) => {
  it.effect("reaches every block that shows the name, once, in the order of their ids, and no other", () =>
    Effect.gen(function*() {
      const { block, ids, library, other, tag } = yield* shelf(5)
      const without = yield* block("without", other.id)
      yield* rename("tag", tag.id, "house animal")
      yield* quiet
      assert.deepStrictEqual(yield* drained, [ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)])
      assert.strictEqual(yield* pending, 0)
      yield* rename("library", library.id, "beasts")
      yield* quiet
      assert.deepStrictEqual((yield* drained).flat(), [...ids, without.id])
    }).pipe(fresh))

  it.effect("raises the revision of a block and not its version, and tells only the search of it", () =>
    Effect.gen(function*() {
      const { ids: [id], library, tag } = yield* shelf(1)
      yield* rename("tag", tag.id, "house animal").pipe(requestedAs("r-7", "ann"))
      yield* quiet
      assert.strictEqual(yield* make, "Made")
      assert.deepInclude(yield* revisionOf(id!), { version: 1, revision: 2 })
      assert.deepStrictEqual(yield* tagsOf(id!), ["wild", "house animal"])
      const [row, ...others] = yield* told()
      assert.deepStrictEqual(others, [])
      const { actor, entityId, kind, libraryId, op, requestId, version } = row!
      assert.deepStrictEqual(
        { actor, entityId, kind, libraryId, op, requestId, version },
        {
          actor: "ann",
          entityId: id!,
          kind: "block",
          libraryId: library.id,
          op: "upsert",
          requestId: "r-7",
          version: 1
        }
      )
      assert.deepStrictEqual(yield* told("chronicle"), [])
      yield* catalog(({ remove }) => remove("block", id!, undefined))
      assert.deepInclude(yield* revisionOf(id!), { version: 2, revision: 3, document: null })
    }).pipe(fresh))

  it.effect("leaves out blocks that were removed or lost the tag meanwhile, and ends without any", () =>
    Effect.gen(function*() {
      const { ids, tag } = yield* shelf(3)
      yield* rename("tag", tag.id, "house animal")
      yield* catalog(({ remove }) => remove("block", ids[0]!, undefined))
      yield* catalog(({ change }) => change("block", ids[1]!, { tag_ids: [] }, undefined))
      yield* quiet
      assert.deepStrictEqual(yield* drained, [[ids[2]!]])
      yield* rename("tag", tag.id, "pet")
      yield* catalog(({ remove }) => remove("tag", tag.id, undefined))
      yield* quiet
      assert.deepStrictEqual(yield* drained, [[]])
      assert.strictEqual(yield* pending, 0)
    }).pipe(fresh))

  it.effect("keeps the trace of its cause, valid or not at all", () =>
    Effect.gen(function*() {
      const { tag } = yield* shelf(1)
      const context = { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`, tracestate: "vendor=1" }
      const inRequest = Effect.withSpan("request", { root: true })
      yield* rename("tag", tag.id, "one").pipe(inRequest, tracedAs(context))
      const { run } = yield* Transaction
      const take = FanOuts.use((fanOuts) => fanOuts.take)
      assert.deepStrictEqual((yield* run(take))?.trace, context)
      yield* drained
      yield* rename("tag", tag.id, "two").pipe(inRequest, Effect.withTracerEnabled(false))
      assert.isNull((yield* run(take))?.trace)
    }).pipe(fresh))
}

const several = (it: It) => {
  it.effect("gives way to that of a later name of the same entity", () =>
    Effect.gen(function*() {
      const { ids, tag } = yield* shelf(4)
      yield* rename("tag", tag.id, "B")
      yield* quiet
      yield* make
      yield* rename("tag", tag.id, "C")
      yield* quiet
      assert.deepStrictEqual((yield* drained).flat(), ids)
      for (const id of ids) assert.deepStrictEqual(yield* tagsOf(id), ["wild", "C"])
      assert.deepInclude(yield* revisionOf(ids[0]!), { version: 1, revision: 3 })
      assert.deepInclude(yield* revisionOf(ids[3]!), { version: 1, revision: 2 })
    }).pipe(fresh))

  it.effect("takes turns with those of other entities", () =>
    Effect.gen(function*() {
      const { block, ids, other, tag } = yield* shelf(4)
      const only = yield* block("only", (yield* tagNamed("rare")).id)
      yield* rename("tag", tag.id, "B")
      yield* rename("tag", other.id, "W")
      yield* rename("tag", only.tag_ids[0]!, "R")
      yield* quiet
      const [first, second] = [ids.slice(0, 2), ids.slice(2)]
      assert.deepStrictEqual(yield* drained, [first, first, [only.id], second, second, [], []])
    }).pipe(fresh))

  it.effect("waits while the outbox has enough to do", () =>
    Effect.gen(function*() {
      const { ids, tag } = yield* shelf(4)
      yield* rename("tag", tag.id, "B")
      yield* quiet
      const bounded = makeWith({ chunkMax: 2, backlogMax: 3 })
      assert.deepStrictEqual([yield* bounded, yield* bounded, yield* bounded], ["Made", "Made", "Full"])
      const batch = yield* claim({ limit: 2 })
      assert.strictEqual(yield* bounded, "Full", "what is in flight is not done")
      yield* settle(batch, ...idsOf(batch).map(done))
      assert.deepStrictEqual([yield* bounded, yield* bounded], ["Made", "Idle"])
      const left = [...batch.deliveries, ...yield* told()].map(({ entityId }) => entityId)
      assert.sameMembers(left, ids)
    }).pipe(fresh))
}

export const suite = suiteOf<Needs>("FanOuts", [beginning, reaching, several])
