/** What every store promises to whoever brings its entities to an index. */
import { assert, type Vitest } from "@effect/vitest"
import { Effect } from "effect"
import { Catalog } from "../../src/catalog/Catalog.ts"
import type { EntityId } from "../../src/domain/Entity.ts"
import type { Leases } from "../../src/outbox/Leases.ts"
import { rangeSize } from "../../src/search/IdRange.ts"
import { SearchSource } from "../../src/search/SearchSource.ts"
import { type Backstage, fresh } from "../support/Backstage.ts"
import { claim, done, idsOf, newId, settle } from "../support/Changes.ts"
import { suiteOf } from "./Suite.ts"

type Needs = Catalog | SearchSource | Leases | Backstage

const catalog = Catalog.use.bind(Catalog)
const load = (...ids: ReadonlyArray<EntityId>) => SearchSource.use((source) => source.load(ids))

/** One of each kind: a block with two tags, the later one first. */
const shelf = Effect.gen(function*() {
  const library = yield* catalog(({ create }) => create("library", { name: "animals" }))
  const [pet, wild] = [
    yield* catalog(({ create }) => create("tag", { name: "pet", color: "#1E90FF" })),
    yield* catalog(({ create }) => create("tag", { name: "wild", color: "#1E90FF" }))
  ]
  const block = yield* catalog(({ create }) =>
    create("block", { library_id: library.id, title: "dog", body: "barks", tag_ids: [wild.id, pet.id] })
  )
  return { library, pet, wild, block }
})

const loading = (it: Vitest.MethodsNonLive<Needs>) => {
  it.effect("says of each entity what it is now, with the names of others that it shows", () =>
    Effect.gen(function*() {
      const { block, library, pet, wild } = yield* shelf
      const none = { body: "", library_id: null, tag_ids: [], library: null, tags: [] }
      const first = { version: 1, revision: 1 }
      assert.sameDeepMembers([...yield* load(block.id, library.id, pet.id, block.id)], [
        {
          kind: "block",
          id: block.id,
          ...first,
          document: {
            title: "dog",
            body: "barks",
            library_id: library.id,
            tag_ids: [wild.id, pet.id],
            library: "animals",
            tags: ["wild", "pet"]
          }
        },
        { kind: "library", id: library.id, ...first, document: { title: "animals", ...none } },
        { kind: "tag", id: pet.id, ...first, document: { title: "pet", ...none } }
      ])
    }).pipe(fresh))

  it.effect("knows what was removed, and nothing of what never was", () =>
    Effect.gen(function*() {
      const { block, wild } = yield* shelf
      yield* catalog(({ change }) => change("block", block.id, { title: "wolf" }, undefined))
      yield* catalog(({ remove }) => remove("block", block.id, undefined))
      yield* catalog(({ remove }) => remove("tag", wild.id, undefined))
      assert.deepStrictEqual(yield* load(block.id, newId()), [
        { kind: "block", id: block.id, version: 3, revision: 3, document: null }
      ])
      assert.deepStrictEqual(yield* load(), [])
    }).pipe(fresh))

  it.effect("gives out all that exists by pages, of every kind, in the order of the ids", () =>
    Effect.gen(function*() {
      const { block, library, pet, wild } = yield* shelf
      yield* catalog(({ remove }) => remove("tag", wild.id, undefined))
      const expected = [library, pet, block].map(({ id }) => id).toSorted()
      const { page } = yield* SearchSource
      const pages = [yield* page(undefined, 2), yield* page(expected[1], 2), yield* page(expected[2], 2)]
      assert.deepStrictEqual(pages.map((each) => each.map(({ id }) => id)), [
        expected.slice(0, 2),
        expected.slice(2),
        []
      ])
      assert.strictEqual(pages.flat().find(({ id }) => id === block.id)?.version, 2)
    }).pipe(fresh))
}

const comparing = (it: Vitest.MethodsNonLive<Needs>) => {
  it.effect("tells of each entity what can be compared, in a range or by its id", () =>
    Effect.gen(function*() {
      const { block, library, pet, wild } = yield* shelf
      yield* catalog(({ remove }) => remove("tag", wild.id, undefined))
      const { entries, entriesOf } = yield* SearchSource
      const states = yield* load(block.id, library.id, pet.id)
      const alive = yield* entries({ after: undefined, to: undefined }, 10)
      const told = ({ id, kind, revision, version }: (typeof states)[number]) => ({ id, kind, version, revision })
      assert.sameDeepMembers(alive.map(({ deleted: _deleted, digest: _digest, ...entry }) => entry), states.map(told))
      assert.sameDeepMembers([...yield* entriesOf([block.id, library.id, pet.id, newId()])], [...alive])
      assert.deepStrictEqual(yield* entriesOf([wild.id]), [
        { id: wild.id, kind: "tag", version: 2, revision: 2, deleted: true, digest: 0 }
      ])
      const ids = alive.map(({ id }) => id)
      assert.deepStrictEqual(ids, ids.toSorted())
      assert.deepStrictEqual(yield* entries({ after: ids[0], to: ids[1] }, 10), alive.slice(1, 2))
      assert.deepStrictEqual(yield* entries({ after: undefined, to: undefined }, 2), alive.slice(0, 2))
      assert.deepStrictEqual(yield* entriesOf([]), [])
    }).pipe(fresh))

  it.effect("has another digest when only a name that it shows has changed", () =>
    Effect.gen(function*() {
      const { block, pet } = yield* shelf
      const { entriesOf } = yield* SearchSource
      const digest = Effect.map(entriesOf([block.id]), ([entry]) => entry!.digest)
      const before = yield* digest
      yield* catalog(({ change }) => change("tag", pet.id, { color: "#000000" }, undefined))
      assert.strictEqual(yield* digest, before)
      yield* catalog(({ change }) => change("tag", pet.id, { name: "pets" }, undefined))
      assert.notStrictEqual(yield* digest, before)
    }).pipe(fresh))

  it.effect("cuts all ids into ranges, a page at a time, and sums up each", () =>
    Effect.gen(function*() {
      const { count, digests, entries } = yield* SearchSource
      const zero = { count: 0, digest: 0, revision: 0 }
      const everything = { after: undefined, to: undefined }
      assert.deepStrictEqual(yield* digests(undefined, 2), [{ range: everything, digest: zero }])
      const tags = Array.from({ length: 2 * rangeSize + 1 }, (_, n) => ({ name: `tag ${n}`, color: "#1E90FF" }))
      yield* catalog(({ createAll }) => createAll("tag", tags.slice(0, 2 * rangeSize)))
      const first = yield* digests(undefined, 2)
      const ends = first.map(({ range }) => range.to)
      assert.deepStrictEqual(first.map(({ range }) => range.after), [undefined, ends[0]])
      assert.deepStrictEqual(yield* digests(ends[1], 2), [{ range: { after: ends[1], to: undefined }, digest: zero }])
      yield* catalog(({ createAll }) => createAll("tag", tags.slice(2 * rangeSize)))
      assert.strictEqual(yield* count, tags.length)
      const parts = [...yield* digests(undefined, 1), ...yield* digests(ends[0], 8)]
      assert.deepStrictEqual(parts.map(({ digest }) => digest.count), [rangeSize, rangeSize, 1])
      assert.isUndefined(parts.at(-1)!.range.to)
      for (const { digest, range } of parts) {
        const all = yield* entries(range, 2 * rangeSize)
        const sum = (values: ReadonlyArray<number>) => values.reduce((total, value) => total + value, 0)
        assert.deepStrictEqual(digest, {
          count: all.length,
          digest: sum(all.map(({ digest }) => digest)),
          revision: sum(all.map(({ revision }) => revision))
        })
      }
    }).pipe(fresh))

  it.effect("knows which changes the index is still to be told of, also while they are handled", () =>
    Effect.gen(function*() {
      const { block, library } = yield* shelf
      const { underWay } = yield* SearchSource
      const ids = [block.id, library.id]
      assert.sameMembers([...yield* underWay([...ids, newId()])], ids)
      const batch = yield* claim()
      assert.sameMembers([...yield* underWay(ids)], ids)
      yield* settle(batch, ...idsOf(batch).map(done))
      assert.deepStrictEqual(yield* underWay(ids), [])
      yield* catalog(({ change }) => change("library", library.id, { name: "beasts" }, undefined))
      assert.sameMembers([...yield* underWay(ids)], ids, "the block is still to be told of its library's new name")
      assert.deepStrictEqual(yield* underWay([]), [])
    }).pipe(fresh))
}

export const suite = suiteOf<Needs>("SearchSource", [loading, comparing])
