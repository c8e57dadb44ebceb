/** What counts as drift, and that a comparison is bounded, exact and never in a hurry to judge. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { entryOf } from "../../layers/memory/IndexEntries.ts"
import * as SearchIndexMemory from "../../layers/memory/SearchIndexMemory.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import { compare, type Drift, driftOf, type Totals } from "../../src/search/Drift.ts"
import type { IndexEntry } from "../../src/search/IdRange.ts"
import * as SearchDestination from "../../src/search/SearchDestination.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { SearchSource } from "../../src/search/SearchSource.ts"
import { catalog, tell } from "../reconcile/Scenes.ts"
import * as MemoryStores from "../support/MemoryStores.ts"
import { removal, write } from "./SearchFixtures.ts"

const entry = (said: Partial<IndexEntry> = {}): IndexEntry => ({
  id: EntityId.make("0199e6a0-0000-7000-8000-000000000001"),
  kind: "tag",
  version: 1,
  revision: 1,
  deleted: false,
  digest: 7,
  ...said
})

describe("drift", () => {
  const gone = entry({ deleted: true, digest: 0, version: 2, revision: 2 })
  const cases: ReadonlyArray<readonly [string, IndexEntry | undefined, IndexEntry | undefined, string | undefined]> = [
    ["equal states", entry(), entry(), undefined],
    ["another version's number with the same revision and content", entry(), entry({ version: 3 }), undefined],
    ["nothing on either side", undefined, undefined, undefined],
    ["a removal and a tombstone", gone, gone, undefined],
    ["a removal that the index never saw", gone, undefined, undefined],
    ["a tombstone that is forgotten here", undefined, gone, undefined],
    ["an entity that the index lacks", entry(), undefined, "missing"],
    ["an entity that the index takes for removed", entry(), gone, "missing"],
    ["an earlier revision", entry({ revision: 2 }), entry(), "stale"],
    ["a later revision", entry(), entry({ revision: 2 }), "stale"],
    ["another content", entry(), entry({ digest: 8 }), "stale"],
    ["a document of what was removed", gone, entry(), "orphaned"],
    ["a document of what never was", undefined, entry(), "orphaned"]
  ]
  it.for(cases)("%s", ([, expected, found, name]) => {
    assert.strictEqual(driftOf(expected, found)?.class, name)
  })
})

const stores = SearchDestination.layer.pipe(
  Layer.provideMerge(SearchIndexMemory.layer),
  Layer.provideMerge(MemoryStores.layer)
)

const compared = Effect.gen(function*() {
  const drifts: Array<Drift> = []
  const parts: Array<Totals> = []
  let largest = 0
  const totals = yield* compare({
    onPart: (part, so) =>
      Effect.sync(() => {
        drifts.push(...part)
        parts.push(so)
        largest = Math.max(largest, part.length)
      })
  })
  return { drifts, parts, largest, totals }
})

describe("a comparison", () => {
  it.effect("finds orphans wherever their ids lie, also where there are no entities at all", () =>
    Effect.gen(function*() {
      const { write: put } = yield* SearchIndex
      const ids = ["00000000-0000-0000-0000-000000000000", "7fffffff-0000-4000-8000-000000000000"].map((id) =>
        EntityId.make(id)
      )
      const last = EntityId.make("ffffffff-ffff-ffff-ffff-ffffffffffff")
      yield* put([...ids, last].map((id) => write({}, { id })))
      assert.sameMembers((yield* compared).drifts.map(({ id }) => id), [...ids, last])
      yield* catalog(({ create }) => create("tag", { name: "a", color: "#1E90FF" }))
      yield* tell
      const { drifts, totals } = yield* compared
      assert.sameMembers(drifts.map(({ id }) => id), [...ids, last])
      assert.deepInclude(totals, { entities: 1, orphaned: 3, missing: 0, stale: 0 })
    }).pipe(Effect.provide(stores)))

  it.effect("tells many in bounded parts, each once", () =>
    Effect.gen(function*() {
      const { write: put } = yield* SearchIndex
      const orphans = Array.from({ length: 2_600 }, () => write())
      yield* put(orphans)
      const { drifts, largest, totals } = yield* compared
      assert.strictEqual(totals.orphaned, orphans.length)
      assert.strictEqual(new Set(drifts.map(({ id }) => id)).size, orphans.length)
      assert.lengthOf(drifts, orphans.length)
      assert.isAtMost(largest, 1_000)
    }).pipe(Effect.provide(stores)))

  it.effect("does not judge what is still to be told, nor what changes while it looks", () =>
    Effect.gen(function*() {
      const tag = yield* catalog(({ create }) => create("tag", { name: "a", color: "#1E90FF" }))
      assert.deepInclude((yield* compared).totals, { missing: 0, underWay: 1, differing: 1 })
      yield* tell
      assert.deepInclude((yield* compared).totals, { missing: 0, underWay: 0, differing: 0 })
      // Told between the two looks at the source, and the index asked before.
      const { write: put } = yield* SearchIndex
      yield* put([removal(tag.id, 9)])
      const real = yield* SearchSource
      const changing = SearchSource.of({
        ...real,
        underWay: (ids) =>
          Effect.tap(real.underWay(ids), () =>
            Effect.andThen(
              Effect.orDie(catalog(({ change }) => change("tag", tag.id, { name: "b" }, undefined))),
              tell
            ).pipe(Effect.provideContext(context)))
      })
      const context = yield* Effect.context<Layer.Success<typeof stores>>()
      const { totals } = yield* Effect.provideService(compared, SearchSource, changing)
      assert.deepInclude(totals, { missing: 0, underWay: 1 })
      assert.deepInclude((yield* compared).totals, { missing: 1, underWay: 0 })
    }).pipe(Effect.provide(stores)))

  it.effect("sums what is there as entries are", () =>
    Effect.gen(function*() {
      const { digests, write: put } = yield* SearchIndex
      const one = write()
      yield* put([one])
      const { digest, revision } = entryOf(one)
      assert.deepStrictEqual(yield* digests([{ after: undefined, to: undefined }]), [{ count: 1, digest, revision }])
    }).pipe(Effect.provide(stores)))
})
