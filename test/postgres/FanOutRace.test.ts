/** A new name on its way to blocks that others make, change and bring to the index at the same moment. */
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Logger, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import * as SearchIndexPostgres from "../../layers/postgres/SearchIndexPostgres.ts"
import { Catalog } from "../../src/catalog/Catalog.ts"
import { runOnce } from "../../src/delivery/FanOut.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import { FanOuts } from "../../src/outbox/FanOuts.ts"
import { Outbox } from "../../src/outbox/Outbox.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { SearchSource } from "../../src/search/SearchSource.ts"
import { fresh } from "../support/Backstage.ts"
import { changeOf, claim, done, idsOf, settle } from "../support/Changes.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

const catalog = Catalog.use.bind(Catalog)
const make = Effect.provide(runOnce({ chunkMax: 2, backlogMax: 1_000 }), Logger.layer([]))
const drained = Effect.repeat(make, { until: (turn) => turn === "Idle" })

/** A transaction that has done everything and commits when told to; `undone` fails instead. */
const opened = Effect.fnUntraced(function*<A, E, R>(work: Effect.Effect<A, E, R>) {
  const { run } = yield* Transaction
  const [did, may] = [yield* Deferred.make<A>(), yield* Deferred.make<void, "undone">()]
  const body = Effect.tap(work, (value) => Effect.andThen(Deferred.succeed(did, value), Deferred.await(may)))
  const fiber = yield* Effect.forkChild(run(body))
  const ended = Fiber.await(fiber)
  return {
    did: Effect.raceFirst(Deferred.await(did), Fiber.join(fiber)),
    commit: Effect.andThen(Deferred.succeed(may, undefined), Fiber.join(fiber)),
    undo: Effect.andThen(Deferred.fail(may, "undone"), ended)
  }
})

const someoneWaits = SqlClient.SqlClient.use((sql) =>
  sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.pipe(
    Effect.filterOrFail((rows) => rows.length > 0),
    Effect.retry(Schedule.spaced("10 millis")),
    Effect.timeout("60 seconds"),
    Effect.asVoid
  )
)

const load = (id: EntityId) => SearchSource.use((source) => Effect.map(source.load([id]), ([found]) => found!))
const write = (document: Effect.Success<ReturnType<typeof load>>) => SearchIndex.use((index) => index.write([document]))
const shown = (id: EntityId) =>
  SqlClient.SqlClient.use((sql) =>
    Effect.map(
      sql<{ readonly tags: ReadonlyArray<string> }>`select tags from search_documents where id = ${id}::uuid`,
      ([row]) => row?.tags
    )
  )

/** The entities of the rows that wait for the search. */
const left = Effect.gen(function*() {
  const batch = yield* claim({ limit: 1_000 })
  yield* settle(batch, ...idsOf(batch).map(done))
  return batch.deliveries.filter(({ kind }) => kind === "block")
})

const shelf = Effect.gen(function*() {
  const library = yield* catalog(({ create }) => create("library", { name: "animals" }))
  const tag = yield* catalog(({ create }) => create("tag", { name: "old", color: "#1E90FF" }))
  const block = catalog(({ create }) =>
    create("block", { library_id: library.id, title: "dog", body: "", tag_ids: [tag.id] })
  )
  const rename = (name: string) => catalog(({ change }) => change("tag", tag.id, { name }, undefined))
  return { library, tag, block, rename }
})

const stores = SearchIndexPostgres.layer.pipe(Layer.provideMerge(PostgresStores.layer))

layer(stores, { excludeTestServices: true })("a new name and a block that shows it", (it) => {
  for (const last of ["old", "new"] as const) {
    it.effect(`leave the new name in the index when the ${last} one's document is written last`, () =>
      Effect.gen(function*() {
        const { block, rename } = yield* shelf
        const making = yield* opened(block)
        const { id } = yield* making.did
        const renaming = yield* opened(rename("new"))
        yield* someoneWaits
        yield* making.commit
        yield* renaming.did
        const before = yield* load(id)
        assert.deepStrictEqual(before.document?.tags, ["old"])
        yield* left
        yield* renaming.commit
        yield* drained
        assert.deepStrictEqual((yield* left).map(({ entityId }) => entityId), [id])
        const after = yield* load(id)
        for (const document of last === "old" ? [after, before] : [before, after]) yield* write(document)
        assert.deepStrictEqual(yield* shown(id), ["new"])
      }).pipe(fresh))
  }

  it.effect("wait for each other, so that a block that comes second has the new name from the start", () =>
    Effect.gen(function*() {
      const { block, rename } = yield* shelf
      const renaming = yield* opened(rename("new"))
      yield* renaming.did
      const making = yield* Effect.forkChild(block)
      yield* someoneWaits
      yield* renaming.commit
      const { id } = yield* Fiber.join(making)
      assert.deepStrictEqual((yield* load(id)).document?.tags, ["new"])
    }).pipe(fresh))

  it.effect("end well even where nobody waits, and the block appears behind the cursor", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const outbox = yield* Outbox
      const { block, library, rename, tag } = yield* shelf
      yield* block
      const id = EntityId.make("00000000-0000-7000-8000-000000000001")
      const change = changeOf({ kind: "block", id, libraryId: library.id })
      const making = yield* opened(Effect.andThen(
        sql`insert into blocks (id, library_id, title, body, tag_ids)
          values (${id}::uuid, ${library.id}::uuid, 'late', '', array[${tag.id}::uuid])`,
        outbox.append([change])
      ))
      yield* making.did
      yield* rename("new")
      yield* drained
      assert.notInclude((yield* left).map(({ entityId }) => entityId), id)
      yield* making.commit
      assert.deepStrictEqual((yield* left).map(({ entityId }) => entityId), [id])
      yield* write(yield* load(id))
      assert.deepStrictEqual(yield* shown(id), ["new"])
    }).pipe(fresh))

  for (const how of ["commit", "undo"] as const) {
    it.effect(`meet once the block's own change has ended (${how})`, () =>
      Effect.gen(function*() {
        const { block, rename } = yield* shelf
        const { id } = yield* block
        yield* rename("new")
        yield* left
        const changing = yield* opened(catalog(({ change }) => change("block", id, { title: "cat" }, undefined)))
        yield* changing.did
        const making = yield* Effect.forkChild(make)
        yield* someoneWaits
        yield* changing[how]
        yield* Fiber.join(making)
        const version = how === "commit" ? 2 : 1
        const rows = (yield* left).map((row) => row.version)
        assert.deepStrictEqual(rows, how === "commit" ? [2, 2] : [1])
        assert.deepInclude(yield* load(id), { version, revision: version + 1 })
      }).pipe(fresh))
  }

  it.effect("are left as they were by a chunk that was cut off, and the next one begins there", () =>
    Effect.gen(function*() {
      const { block, rename } = yield* shelf
      const { id } = yield* block
      yield* rename("new")
      yield* left
      yield* (yield* opened(make)).undo
      assert.deepInclude(yield* load(id), { version: 1, revision: 1 })
      assert.deepStrictEqual(yield* left, [])
      yield* drained
      assert.deepStrictEqual((yield* left).map(({ entityId }) => entityId), [id])
      assert.deepInclude(yield* load(id), { version: 1, revision: 2 })
    }).pipe(fresh))

  it.effect("are handled by one worker at a time, and another one takes another name meanwhile", () =>
    Effect.gen(function*() {
      const { block, library, rename } = yield* shelf
      yield* block
      yield* rename("new")
      const first = yield* opened(FanOuts.use((fanOuts) => fanOuts.take))
      assert.strictEqual((yield* first.did)?.kind, "tag")
      assert.strictEqual(yield* make, "Idle")
      yield* catalog(({ change }) => change("library", library.id, { name: "beasts" }, undefined))
      assert.strictEqual(yield* make, "Made")
      assert.strictEqual(yield* make, "Idle")
      yield* first.commit
      assert.strictEqual(yield* make, "Made")
    }).pipe(fresh))
})
