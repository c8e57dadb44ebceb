/** What every store promises to whoever brings its entities to an index. */
import { assert, type Vitest } from "@effect/vitest"
import { Effect } from "effect"
import { Catalog } from "../../src/catalog/Catalog.ts"
import type { EntityId } from "../../src/domain/Entity.ts"
import { SearchSource } from "../../src/search/SearchSource.ts"
import { type Backstage, fresh } from "../support/Backstage.ts"
import { newId } from "../support/Changes.ts"
import { suiteOf } from "./Suite.ts"

type Needs = Catalog | SearchSource | Backstage

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

export const suite = suiteOf<Needs>("SearchSource", [loading])
