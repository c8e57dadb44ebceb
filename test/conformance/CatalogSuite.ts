/** What every write promises, over whichever store: the entity and its changes, both or neither. */
import { assert, type Vitest } from "@effect/vitest"
import { Effect, Exit, Layer } from "effect"
import type { SecureRandom } from "effect/crypto"
import { Catalog } from "../../src/catalog/Catalog.ts"
import { EntityStore } from "../../src/catalog/EntityStore.ts"
import type { FieldChange } from "../../src/domain/Change.ts"
import type { EntityId, FieldsOf } from "../../src/domain/Entity.ts"
import type { Delivery, Leases } from "../../src/outbox/Leases.ts"
import { Outbox } from "../../src/outbox/Outbox.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import { type Backstage, fresh } from "../support/Backstage.ts"
import { claim, done, idsOf, newId, settle } from "../support/Changes.ts"
import { suiteOf } from "./Suite.ts"

type Needs = Catalog | EntityStore | Leases | Transaction | SecureRandom.SecureRandom | Backstage
type It = Vitest.MethodsNonLive<Needs>

const use = Catalog.use.bind(Catalog)
const color = "#1E90FF"
const newTag = (name: string) => use((catalog) => catalog.create("tag", { name, color }))
const newLibrary = use((catalog) => catalog.create("library", { name: "shelf" }))
const blockIn = (library_id: EntityId, ...tag_ids: ReadonlyArray<EntityId>): FieldsOf["block"] => ({
  library_id,
  title: "a title",
  body: "a body",
  tag_ids
})

/** What the outbox has been told since this was last asked. */
const told = (projection: Projection = "chronicle") =>
  Effect.gen(function*() {
    const batch = yield* claim({ projection, limit: 1_000 })
    yield* settle(batch, ...idsOf(batch).map(done))
    return batch.deliveries
  })

const briefly = ({ entityId, op, version }: Delivery) => [entityId, op, version]

// Fresh, or the catalog that is there would be taken for this one.
const untold = Layer.fresh(Catalog.layer).pipe(
  Layer.provide(
    Layer.sync(Outbox, () => {
      const append = () => Effect.fail(new StoreUnavailable({ cause: "away" }))
      return Outbox.of({ append, appendTo: append })
    })
  )
)

const creating = (it: It) => {
  it.effect("leaves one row in each outbox for every new entity, with all of its fields", () =>
    Effect.gen(function*() {
      const tag = yield* newTag("one")
      const library = yield* newLibrary
      const fields = blockIn(library.id, tag.id)
      const block = yield* use((catalog) => catalog.create("block", fields))
      const expected = [tag, library, block].map(({ id }) => [id, "upsert", 1])
      assert.deepStrictEqual((yield* told("search")).map(briefly), expected)
      const rows = yield* told()
      assert.deepStrictEqual(rows.map(briefly), expected)
      assert.deepStrictEqual(rows.map(({ kind }) => kind), ["tag", "library", "block"])
      assert.deepStrictEqual(rows[2]!.fields, Object.entries(fields).map(([field, to]) => ({ field, from: null, to })))
      assert.deepStrictEqual(yield* told("realtime"), [])
    }).pipe(fresh))

  it.effect("creates all or none", () =>
    Effect.gen(function*() {
      const names = (...all: ReadonlyArray<string>) => all.map((name) => ({ name, color }))
      const tags = yield* use((catalog) => catalog.createAll("tag", names("a", "b", "c")))
      assert.deepStrictEqual(tags.map(({ name }) => name), ["a", "b", "c"])
      assert.deepStrictEqual((yield* told()).map(({ entityId }) => entityId), tags.map(({ id }) => id))
      const refused = yield* Effect.flip(use((catalog) => catalog.createAll("tag", names("d", "b"))))
      assert.strictEqual(refused._tag, "NameTaken")
      assert.deepStrictEqual(yield* told(), [])
      assert.strictEqual((yield* use((catalog) => catalog.list("tag", 10, undefined))).items.length, 3)
    }).pipe(fresh))

  it.effect("leaves neither the entity nor its rows when the transaction fails, dies or is interrupted", () =>
    Effect.gen(function*() {
      for (const end of [Effect.fail("no"), Effect.die("no"), Effect.interrupt]) {
        const attempt = Transaction.use(({ run }) => run(Effect.andThen(newTag("lost"), end)))
        assert.isTrue(Exit.isFailure(yield* Effect.exit(attempt)))
        assert.deepStrictEqual([...yield* told("search"), ...yield* told("chronicle")], [])
        assert.deepStrictEqual((yield* use((catalog) => catalog.list("tag", 10, undefined))).items, [])
      }
    }).pipe(fresh))

  it.effect("keeps no write that the outbox could not be told of", () =>
    Effect.gen(function*() {
      const tag = yield* newTag("one")
      const writes: ReadonlyArray<Effect.Effect<void, unknown, Catalog>> = [
        Effect.asVoid(newTag("two")),
        Effect.asVoid(use((catalog) => catalog.change("tag", tag.id, { name: "three" }, undefined))),
        use((catalog) => catalog.remove("tag", tag.id, undefined))
      ]
      for (const write of writes) {
        const exit = yield* Effect.exit(Effect.provide(write, untold))
        assert.isTrue(Exit.isFailure(exit))
        assert.deepStrictEqual((yield* use((catalog) => catalog.list("tag", 10, undefined))).items, [tag])
      }
    }).pipe(fresh))

  it.effect("gives a name to one of many who want it at once", () =>
    Effect.gen(function*() {
      const wanted = Array.from({ length: 6 }, () => Effect.exit(newTag("wanted")))
      const exits = yield* Effect.all(wanted, { concurrency: "unbounded" })
      assert.strictEqual(exits.filter(Exit.isSuccess).length, 1)
      assert.strictEqual((yield* told()).length, 1)
    }).pipe(fresh))
}

const changing = (it: It) => {
  it.effect("leaves a row that says what was changed, from what and to what", () =>
    Effect.gen(function*() {
      const tag = yield* newTag("before")
      yield* told()
      const after = yield* use((catalog) => catalog.change("tag", tag.id, { name: "after", color }, undefined))
      assert.deepInclude(after, { name: "after", color, version: 2 })
      const [row, ...others] = yield* told()
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(briefly(row!), [tag.id, "upsert", 2])
      assert.deepStrictEqual(row!.fields, [{ field: "name", from: "before", to: "after" }])
    }).pipe(fresh))

  it.effect("writes nothing when nothing changes", () =>
    Effect.gen(function*() {
      const [library, tag] = [yield* newLibrary, yield* newTag("one")]
      const fields = blockIn(library.id, tag.id)
      const block = yield* use((catalog) => catalog.create("block", fields))
      yield* told()
      for (const patch of [{ ...fields }, { tag_ids: [tag.id] }, { title: "a title" }]) {
        assert.deepStrictEqual(yield* use((catalog) => catalog.change("block", block.id, patch, undefined)), block)
      }
      assert.deepStrictEqual(yield* told(), [])
    }).pipe(fresh))

  it.effect("changes and removes only the version that was expected", () =>
    Effect.gen(function*() {
      const tag = yield* newTag("one")
      yield* told()
      const mismatch = { _tag: "VersionMismatch", expected: 2, actual: 1 } as const
      const change = (expected: number, name: string) =>
        use((catalog) => catalog.change("tag", tag.id, { name }, expected))
      const remove = (expected: number) => use((catalog) => catalog.remove("tag", tag.id, expected))
      assert.deepInclude(yield* Effect.flip(change(2, "two")), mismatch)
      assert.deepInclude(yield* Effect.flip(change(2, "one")), mismatch)
      assert.deepInclude(yield* Effect.flip(remove(2)), mismatch)
      assert.deepStrictEqual(yield* told(), [])
      assert.strictEqual((yield* change(1, "two")).version, 2)
      assert.deepInclude(yield* Effect.flip(remove(1)), { _tag: "VersionMismatch", expected: 1, actual: 2 })
      yield* remove(2)
      assert.deepStrictEqual((yield* told()).map(briefly), [[tag.id, "upsert", 2], [tag.id, "delete", 3]])
    }).pipe(fresh))

  it.effect("loses no change of those that come at once", () =>
    Effect.gen(function*() {
      const tag = yield* newTag("0")
      yield* told()
      const names = Array.from({ length: 8 }, (_, at) => `${at + 1}`)
      const changed = yield* Effect.forEach(
        names,
        (name) => use((catalog) => catalog.change("tag", tag.id, { name }, undefined)),
        { concurrency: "unbounded" }
      )
      const versions = changed.map(({ version }) => version).toSorted((a, b) => a - b)
      assert.deepStrictEqual(versions, [2, 3, 4, 5, 6, 7, 8, 9])
      const rows = yield* told()
      assert.sameMembers(rows.map(({ version }) => version), versions)
      // Each tells the change from what the one before it had left.
      const chain = rows.toSorted((a, b) => a.version - b.version).map(({ fields }) => fields[0]!)
      assert.deepStrictEqual(chain.slice(1).map(({ from }) => from), chain.slice(0, -1).map(({ to }) => to))
    }).pipe(fresh))

  it.effect("says what there is nothing of", () =>
    Effect.gen(function*() {
      const id = newId()
      const change = use((catalog) => catalog.change("library", id, { name: "x" }, undefined))
      assert.deepInclude(yield* Effect.flip(change), { _tag: "EntityNotFound", kind: "library", id })
      const remove = use((catalog) => catalog.remove("library", id, undefined))
      assert.deepInclude(yield* Effect.flip(remove), { _tag: "EntityNotFound", kind: "library", id })
      const tag = yield* newTag("one")
      const missing = use((catalog) => catalog.create("block", blockIn(newId(), tag.id)))
      assert.strictEqual((yield* Effect.flip(missing))._tag, "ReferenceMissing")
      assert.strictEqual((yield* told()).length, 1)
    }).pipe(fresh))
}

const removing = (it: It) => {
  it.effect("leaves a row one version up that says what was removed", () =>
    Effect.gen(function*() {
      const tag = yield* newTag("one")
      yield* told()
      yield* use((catalog) => catalog.remove("tag", tag.id, undefined))
      const [row] = yield* told()
      assert.deepStrictEqual(briefly(row!), [tag.id, "delete", 2])
      const fields = [{ field: "name", from: "one", to: null }, { field: "color", from: color, to: null }]
      assert.deepStrictEqual(row!.fields, fields)
      assert.strictEqual((yield* Effect.flip(use((catalog) => catalog.get("tag", tag.id))))._tag, "EntityNotFound")
    }).pipe(fresh))

  it.effect("does not remove a library with blocks, and tells nobody", () =>
    Effect.gen(function*() {
      const library = yield* newLibrary
      yield* use((catalog) => catalog.create("block", blockIn(library.id)))
      yield* told()
      const refused = yield* Effect.flip(use((catalog) => catalog.remove("library", library.id, undefined)))
      assert.deepInclude(refused, { _tag: "LibraryNotEmpty", id: library.id })
      assert.deepStrictEqual(yield* told(), [])
    }).pipe(fresh))

  it.effect("tells of every block that a removed tag was on, as it was and as it is now", () =>
    Effect.gen(function*() {
      const [library, one, two] = [yield* newLibrary, yield* newTag("one"), yield* newTag("two")]
      const both = yield* use((catalog) => catalog.create("block", blockIn(library.id, one.id, two.id)))
      yield* use((catalog) => catalog.create("block", blockIn(library.id, two.id)))
      yield* told("search")
      yield* told()
      yield* use((catalog) => catalog.remove("tag", one.id, undefined))
      const rows = yield* told()
      assert.deepStrictEqual(rows.map(briefly), [[both.id, "upsert", 2], [one.id, "delete", 2]])
      assert.deepStrictEqual((yield* told("search")).map(briefly), rows.map(briefly))
      const [{ field, from, to }] = rows[0]!.fields as [FieldChange]
      assert.deepStrictEqual([field, to], ["tag_ids", [two.id]])
      assert.sameMembers([...from as ReadonlyArray<string>], [one.id, two.id])
      assert.deepInclude(yield* use((catalog) => catalog.get("block", both.id)), { tag_ids: [two.id], version: 2 })
    }).pipe(fresh))
}

const libraries = (it: It) => {
  it.effect("says of every row of a block which library it is in", () =>
    Effect.gen(function*() {
      const [library, other, tag] = [yield* newLibrary, yield* newLibrary, yield* newTag("one")]
      const block = yield* use((catalog) => catalog.create("block", blockIn(library.id, tag.id)))
      yield* use((catalog) => catalog.change("block", block.id, { title: "another" }, undefined))
      yield* use((catalog) => catalog.remove("tag", tag.id, undefined))
      yield* use((catalog) => catalog.change("block", block.id, { library_id: other.id }, undefined))
      yield* use((catalog) => catalog.remove("block", block.id, undefined))
      for (const projection of ["search", "chronicle"] as const) {
        const rows = yield* told(projection)
        const ofBlock = rows.filter(({ kind }) => kind === "block").map(({ libraryId }) => libraryId)
        assert.deepStrictEqual(ofBlock, [library.id, library.id, library.id, other.id, other.id])
        assert.isTrue(rows.filter(({ kind }) => kind !== "block").every(({ libraryId }) => libraryId === null))
      }
    }).pipe(fresh))
}

const races = (it: It) => {
  it.effect("never leaves a block whose library or tag is gone", () =>
    Effect.gen(function*() {
      for (let round = 0; round < 6; round++) {
        const [library, other, tag] = [yield* newLibrary, yield* newLibrary, yield* newTag(`tag ${round}`)]
        const block = yield* use((catalog) => catalog.create("block", blockIn(other.id)))
        yield* Effect.all([
          Effect.exit(use((catalog) => catalog.create("block", blockIn(library.id, tag.id)))),
          Effect.exit(use((catalog) => catalog.change("block", block.id, { tag_ids: [tag.id] }, undefined))),
          Effect.exit(use((catalog) => catalog.remove("tag", tag.id, undefined))),
          Effect.exit(use((catalog) => catalog.remove("library", library.id, undefined)))
        ], { concurrency: "unbounded" })
      }
      const { items } = yield* EntityStore.use((store) => store.list("block", 100, undefined))
      const { items: tags } = yield* EntityStore.use((store) => store.list("tag", 100, undefined))
      const { items: shelves } = yield* EntityStore.use((store) => store.list("library", 100, undefined))
      const known = new Set([...tags, ...shelves].map(({ id }) => id))
      for (const { library_id, tag_ids } of items) assert.isTrue([library_id, ...tag_ids].every((id) => known.has(id)))
    }).pipe(fresh))
}

export const suite = suiteOf<Needs>("Catalog", [creating, changing, removing, libraries, races])
