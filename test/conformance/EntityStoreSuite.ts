/** What every store of entities promises: versions, references, names and pages. */
import { assert, type Vitest } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { EntityStore } from "../../src/catalog/EntityStore.ts"
import { TagNames } from "../../src/catalog/TagNames.ts"
import type { EntityId, EntityKind, FieldsOf } from "../../src/domain/Entity.ts"
import { text } from "../../src/domain/Text.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import { type Backstage, fresh, passTime } from "../support/Backstage.ts"
import { newId } from "../support/Changes.ts"
import { suiteOf } from "./Suite.ts"

type Needs = EntityStore | TagNames | Transaction | Backstage
type It = Vitest.MethodsNonLive<Needs>

const inOne = <A, E, R>(effect: Effect.Effect<A, E, R>) => Transaction.use(({ run }) => run(effect))

const insert = <K extends EntityKind>(kind: K, ...all: ReadonlyArray<FieldsOf[K]>) =>
  inOne(EntityStore.use((store) => store.insert(kind, all.map((fields) => ({ id: newId(), fields })))))

const insertOne = <K extends EntityKind>(kind: K, fields: FieldsOf[K]) =>
  Effect.map(insert(kind, fields), ([entity]) => entity!)

const update = <K extends EntityKind>(kind: K, id: EntityId, patch: Partial<FieldsOf[K]>) =>
  inOne(EntityStore.use((store) => store.update(kind, id, patch)))

const remove = (kind: EntityKind, id: EntityId) => inOne(EntityStore.use((store) => store.remove(kind, id)))
const get = <K extends EntityKind>(kind: K, id: EntityId) => EntityStore.use((store) => store.get(kind, id))

const color = "#1E90FF"
const blockIn = (library_id: EntityId, ...tag_ids: ReadonlyArray<EntityId>): FieldsOf["block"] => ({
  library_id,
  title: "a title",
  body: "a body",
  tag_ids
})

/** A library, two tags, and a block that has both. */
const shelf = Effect.gen(function*() {
  const library = yield* insertOne("library", { name: "shelf" })
  const [one, two] = yield* insert("tag", { name: "one", color }, { name: "two", color })
  const block = yield* insertOne("block", blockIn(library.id, one!.id, two!.id))
  return { library, one: one!, two: two!, block }
})

const versions = (it: It) => {
  it.effect("keeps what was inserted, in the order given, at version 1", () =>
    Effect.gen(function*() {
      const tags = yield* insert("tag", { name: "b", color }, { name: "a", color: "#abcdef" })
      assert.deepStrictEqual(tags.map(({ color, name, version }) => [name, color, version]), [
        ["b", color, 1],
        ["a", "#abcdef", 1]
      ])
      for (const tag of tags) assert.deepStrictEqual(yield* get("tag", tag.id), tag)
      const { block, library } = yield* shelf
      assert.deepInclude(yield* get("block", block.id), { ...blockIn(library.id, ...block.tag_ids), version: 1 })
    }).pipe(fresh))

  it.effect("raises the version by one with every update, and changes nothing else than it was told", () =>
    Effect.gen(function*() {
      const { block, one } = yield* shelf
      yield* passTime("1 second")
      const second = yield* update("block", block.id, { title: "another" })
      const third = yield* update("block", block.id, { tag_ids: [one.id], body: "" })
      const { updated_at, ...after } = yield* get("block", block.id)
      const { updated_at: _before, ...before } = block
      assert.strictEqual(second.version, 2)
      assert.strictEqual(third.version, 3)
      assert.deepStrictEqual(after, { ...before, title: "another", body: "", tag_ids: [one.id], version: 3 })
      assert.isAtLeast(DateTime.toEpochMillis(updated_at), DateTime.toEpochMillis(block.updated_at))
    }).pipe(fresh))

  it.effect("says what it does not have", () =>
    Effect.gen(function*() {
      const { block, library } = yield* shelf
      const id = newId()
      assert.deepInclude(yield* Effect.flip(get("tag", id)), { _tag: "EntityNotFound", kind: "tag", id })
      assert.strictEqual((yield* Effect.flip(get("tag", block.id)))._tag, "EntityNotFound")
      const locked = inOne(EntityStore.use((store) => store.getForUpdate("library", id)))
      assert.strictEqual((yield* Effect.flip(locked))._tag, "EntityNotFound")
      assert.deepStrictEqual(
        yield* inOne(EntityStore.use((store) => store.getForUpdate("library", library.id))),
        library
      )
      yield* remove("block", block.id)
      assert.strictEqual((yield* Effect.flip(get("block", block.id)))._tag, "EntityNotFound")
    }).pipe(fresh))

  it.effect.prop(
    "keeps any text as it is",
    { name: text(1, 200), title: text(1, 500), body: text(0, 100_000) },
    (texts) =>
      Effect.gen(function*() {
        const { body, name, title } = texts
        const library = yield* insertOne("library", { name })
        const block = yield* insertOne("block", { ...blockIn(library.id), title, body })
        const tag = yield* insertOne("tag", { name, color })
        assert.deepInclude(yield* get("block", block.id), { title, body })
        assert.strictEqual((yield* get("library", library.id)).name, name)
        assert.strictEqual(yield* TagNames.use(({ idOf }) => idOf(name)), tag.id)
      }).pipe(fresh),
    { arbitrary: { runs: 20 } }
  )
}

const references = (it: It) => {
  it.effect("refuses a second tag of the same name", () =>
    Effect.gen(function*() {
      const [one, two] = yield* insert("tag", { name: "one", color }, { name: "two", color })
      const again = yield* Effect.flip(insert("tag", { name: "three", color }, { name: "one", color }))
      assert.strictEqual(again._tag, "NameTaken")
      const renamed = yield* Effect.flip(update("tag", two!.id, { name: "one" }))
      assert.deepInclude(renamed, { _tag: "NameTaken", kind: "tag", name: "one" })
      assert.strictEqual(
        (yield* Effect.flip(insert("tag", { name: "x", color }, { name: "x", color })))._tag,
        "NameTaken"
      )
      assert.isUndefined(yield* TagNames.use(({ idOf }) => idOf("three")))
      assert.strictEqual((yield* update("tag", one!.id, { name: "one", color: "#000000" })).version, 2)
      yield* insert("library", { name: "one" }, { name: "one" })
    }).pipe(fresh))

  it.effect("refuses a block in a library that does not exist", () =>
    Effect.gen(function*() {
      const { block, one } = yield* shelf
      const missing = newId()
      const expected = { _tag: "ReferenceMissing" as const, field: "library_id", ids: [missing] }
      assert.deepInclude(yield* Effect.flip(insert("block", blockIn(missing, one.id))), expected)
      assert.deepInclude(yield* Effect.flip(update("block", block.id, { library_id: missing })), expected)
      assert.strictEqual((yield* get("block", block.id)).version, 1)
    }).pipe(fresh))

  it.effect("refuses a block with a tag that does not exist, and names it", () =>
    Effect.gen(function*() {
      const { block, library, one } = yield* shelf
      const missing = newId()
      const expected = { _tag: "ReferenceMissing" as const, field: "tag_ids", ids: [missing] }
      assert.deepInclude(yield* Effect.flip(insert("block", blockIn(library.id, one.id, missing))), expected)
      assert.deepInclude(yield* Effect.flip(update("block", block.id, { tag_ids: [missing] })), expected)
      assert.deepStrictEqual(yield* get("block", block.id), block)
    }).pipe(fresh))

  it.effect("does not remove a library that has blocks", () =>
    Effect.gen(function*() {
      const { block, library } = yield* shelf
      assert.deepInclude(yield* Effect.flip(remove("library", library.id)), { _tag: "LibraryNotEmpty", id: library.id })
      assert.strictEqual((yield* get("library", library.id)).id, library.id)
      yield* remove("block", block.id)
      yield* remove("library", library.id)
      assert.strictEqual((yield* Effect.flip(get("library", library.id)))._tag, "EntityNotFound")
    }).pipe(fresh))

  it.effect("takes a tag off every block that has it, and tells which", () =>
    Effect.gen(function*() {
      const { block, library, one, two } = yield* shelf
      const other = yield* insertOne("block", blockIn(library.id, two.id))
      const only = yield* insertOne("block", blockIn(library.id, one.id))
      const untagged = yield* inOne(EntityStore.use((store) => store.untag(one.id)))
      assert.sameDeepMembers(untagged.map(({ id, tag_ids, version }) => ({ id, tag_ids, version })), [
        { id: block.id, tag_ids: [two.id], version: 2 },
        { id: only.id, tag_ids: [], version: 2 }
      ])
      assert.deepStrictEqual(yield* get("block", other.id), other)
      for (const after of untagged) assert.deepStrictEqual(yield* get("block", after.id), after)
      assert.deepStrictEqual([...yield* inOne(EntityStore.use((store) => store.untag(newId())))], [])
    }).pipe(fresh))

  it.effect("knows a tag by its name", () =>
    Effect.gen(function*() {
      const { one, two } = yield* shelf
      const idOf = (name: string) => TagNames.use((names) => names.idOf(name))
      assert.strictEqual(yield* idOf("one"), one.id)
      assert.isUndefined(yield* idOf("One"))
      yield* update("tag", one.id, { name: "uno" })
      assert.deepStrictEqual([yield* idOf("uno"), yield* idOf("one"), yield* idOf("two")], [one.id, undefined, two.id])
    }).pipe(fresh))
}

const lists = (it: It) => {
  it.effect("lists every entity once, in the order of their ids, page after page", () =>
    Effect.gen(function*() {
      const all = yield* insert("library", ...Array.from({ length: 7 }, (_, at) => ({ name: `library ${at}` })))
      const sorted = all.map(({ id }) => id).toSorted()
      for (const limit of [1, 2, 3, 7, 8]) {
        const visited: Array<EntityId> = []
        let after: EntityId | undefined
        for (let page = 0; page < 10; page++) {
          const { items, next_cursor } = yield* EntityStore.use((store) => store.list("library", limit, after))
          assert.isAtMost(items.length, limit)
          visited.push(...items.map(({ id }) => id))
          after = next_cursor === null ? undefined : next_cursor as EntityId
          if (after === undefined) break
        }
        assert.deepStrictEqual(visited, sorted, `pages of ${limit}`)
      }
      assert.deepStrictEqual(yield* EntityStore.use((store) => store.list("block", 5, undefined)), {
        items: [],
        next_cursor: null
      })
    }).pipe(fresh))
}

const transactions = (it: It) => {
  it.effect("keeps nothing of a transaction that fails, dies or is interrupted", () =>
    Effect.gen(function*() {
      const { one } = yield* shelf
      for (const end of [Effect.fail("no"), Effect.die("no"), Effect.interrupt]) {
        const id = newId()
        const attempt = inOne(EntityStore.use((store) =>
          Effect.gen(function*() {
            yield* store.insert("library", [{ id, fields: { name: "lost" } }])
            yield* store.update("tag", one.id, { name: "lost" })
            assert.strictEqual((yield* store.get("library", id)).name, "lost")
            return yield* end
          })
        ))
        assert.strictEqual((yield* Effect.exit(attempt))._tag, "Failure")
        assert.strictEqual((yield* Effect.flip(get("library", id)))._tag, "EntityNotFound")
        assert.deepStrictEqual(yield* get("tag", one.id), one)
      }
    }).pipe(fresh))

  it.effect("makes an inner transaction part of the outer one", () =>
    Effect.gen(function*() {
      const id = newId()
      const inner = inOne(EntityStore.use((store) => store.insert("library", [{ id, fields: { name: "inner" } }])))
      yield* Effect.exit(inOne(Effect.andThen(inner, Effect.fail("no"))))
      assert.strictEqual((yield* Effect.flip(get("library", id)))._tag, "EntityNotFound")
      yield* inOne(inner)
      assert.strictEqual((yield* get("library", id)).name, "inner")
    }).pipe(fresh))
}

export const suite = suiteOf<Needs>("EntityStore", [versions, references, lists, transactions])
