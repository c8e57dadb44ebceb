/** What every search index promises to whoever compares it with the entities, and of the end of its tombstones. */
import { assert, type Vitest } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { EntityId } from "../../src/domain/Entity.ts"
import type { IndexEntry } from "../../src/search/IdRange.ts"
import type { IndexWrite } from "../../src/search/SearchDocument.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import * as Fixtures from "../search/SearchFixtures.ts"

const { at, newId, put, removal, write } = Fixtures

type It = Vitest.MethodsNonLive<SearchIndex>
export type DigestOf = (write: IndexWrite) => number

/** Ids that follow each other, with no one else's between them. */
const idsInRow = (count: number): ReadonlyArray<EntityId> => {
  const prefix = newId().slice(0, -4)
  return Array.from({ length: count }, (_, n) => EntityId.make(prefix + (n + 1).toString(16).padStart(4, "0")))
}

const before = (id: EntityId) => EntityId.make(`${id.slice(0, -4)}0000`)

const entryOf = (digestOf: DigestOf) => (write: IndexWrite): IndexEntry => {
  const { document, id, kind, revision, version } = write
  return { id, kind, version, revision, deleted: document === null, digest: digestOf(write) }
}

const sum = (entries: ReadonlyArray<IndexEntry>) => ({
  count: entries.length,
  digest: entries.reduce((all, { digest }) => all + digest, 0),
  revision: entries.reduce((all, { revision }) => all + revision, 0)
})

const ordered = (entries: ReadonlyArray<IndexEntry>) => entries.toSorted((a, b) => a.id < b.id ? -1 : 1)

export const entries = (digestOf: DigestOf) => (it: It) => {
  const entry = entryOf(digestOf)

  it.effect(
    "sums up what is alive in each range",
    Effect.fnUntraced(function*() {
      const ids = idsInRow(5)
      const writes = ids.map((id, n) => write({}, { id, version: n + 1, revision: 2 * n + 1 }))
      yield* put(...writes)
      yield* put(removal(ids[1]!, 9))
      const { digests } = yield* SearchIndex
      const alive = writes.toSpliced(1, 1).map(entry)
      const [all, some, none] = yield* digests([
        { after: before(ids[0]!), to: ids[4] },
        { after: ids[0], to: ids[3] },
        { after: ids[0], to: ids[1] }
      ])
      assert.deepStrictEqual(all, sum(alive))
      assert.deepStrictEqual(some, sum(alive.slice(1, 3)))
      assert.deepStrictEqual(none, { count: 0, digest: 0, revision: 0 })
      assert.deepStrictEqual(yield* digests([]), [])
    })
  )

  it.effect(
    "sums up to the ends where a range is open, so that nothing lies between ranges",
    Effect.fnUntraced(function*() {
      const [a, b, c] = idsInRow(3)
      const nil = EntityId.make("00000000-0000-0000-0000-000000000000")
      yield* put(...[a, b, c, nil].map((id) => write({}, { id: id!, version: 1, revision: Date.now() })))
      const { digests } = yield* SearchIndex
      const parts = yield* digests([{ after: undefined, to: a }, { after: a, to: b }, { after: b, to: undefined }])
      const [whole] = yield* digests([{ after: undefined, to: undefined }])
      assert.strictEqual(parts.reduce((all, { count }) => all + count, 0), whole!.count)
      assert.isAtLeast(parts[0]!.count, 2)
      assert.isAtLeast(parts[2]!.count, 1)
    })
  )

  it.effect(
    "lists what is alive in a range, in order and a page at a time",
    Effect.fnUntraced(function*() {
      const ids = idsInRow(120)
      const writes = ids.map((id) => write({}, { id, version: 3, revision: 4 }))
      yield* put(...writes.toReversed())
      yield* put(removal(ids[7]!, 9))
      const { entries } = yield* SearchIndex
      const alive = writes.toSpliced(7, 1).map(entry)
      const range = { after: before(ids[0]!), to: ids[118] }
      assert.deepStrictEqual(yield* entries(range, 5), alive.slice(0, 5))
      assert.deepStrictEqual(yield* entries({ ...range, after: ids[5] }, 1_000), alive.slice(6, 118))
      assert.deepStrictEqual(yield* entries({ after: ids[6], to: ids[7] }, 5), [])
    })
  )

  it.effect(
    "tells of given entities, removed ones too",
    Effect.fnUntraced(function*() {
      const { entriesOf, write: send } = yield* SearchIndex
      const [one, other] = [write({ tags: ["a", "b"] }, { kind: "tag", version: 2 }), write()]
      const gone = removal(other.id, 5)
      yield* send([one, other])
      yield* send([gone])
      assert.deepStrictEqual(ordered(yield* entriesOf([one.id, newId(), gone.id])), ordered([one, gone].map(entry)))
      assert.deepStrictEqual(yield* entriesOf([]), [])
    })
  )

  const Words = Schema.Array(
    Schema.Literals(["a", " ", ",", "\u001f", "\u0001", "\n", "\\", "\"", "'", "é", "e\u0301", "東京", "🧵", "</mark>"])
  )
  const Texts = Schema.Struct({
    title: Words,
    body: Words,
    library: Schema.NullOr(Words),
    tags: Schema.Array(Words).check(Schema.isMaxLength(4))
  })
  it.effect.prop(
    "has the digest that the same document has everywhere, whatever it says",
    { texts: Texts },
    Effect.fnUntraced(function*({ texts: { body, library, tags, title } }) {
      const one = write({
        title: title.join(""),
        body: body.join(""),
        library: library?.join("") ?? null,
        library_id: library === null ? null : newId(),
        tags: tags.map((words) => words.join("")),
        tag_ids: tags.map(() => newId())
      })
      yield* put(one)
      const { digests, entries, entriesOf } = yield* SearchIndex
      const range = { after: undefined, to: one.id }
      assert.deepStrictEqual(yield* entriesOf([one.id]), [entry(one)])
      const [counted] = yield* digests([{ ...range, after: before(one.id) }])
      assert.deepStrictEqual(counted, sum(yield* entries({ ...range, after: before(one.id) }, 10)))
      assert.strictEqual(counted!.digest, digestOf(one))
    }),
    { arbitrary: { runs: 25 } }
  )

  it.effect(
    "has another digest as soon as anything that it says differs",
    Effect.fnUntraced(function*() {
      const one = write({ title: "a", body: "b", tags: ["c"], tag_ids: [newId()], library: "d", library_id: newId() })
      const document = one.document!
      const others = [
        at(one, 2),
        { ...one, kind: "tag" as const },
        ...[
          { title: "b" },
          { body: "a" },
          { tags: ["d"] },
          { tag_ids: [newId()] },
          { library: "c" },
          { library_id: newId() }
        ].map((said) => ({ ...one, document: { ...document, ...said } }))
      ]
      assert.lengthOf(new Set([one, ...others].map(digestOf)), others.length + 1)
    })
  )
}

export const tombstones = (it: It) => {
  const purgeAll = Effect.fnUntraced(function*(before: number) {
    const { purge, refresh } = yield* SearchIndex
    let count = 0
    for (let gone = 1; gone > 0; count += gone) gone = yield* purge(before, 2)
    yield* refresh
    return count
  })

  it.effect(
    "forgets old tombstones and nothing else, a few at a time",
    Effect.fnUntraced(function*() {
      const { stateOf } = yield* SearchIndex
      const [alive, back, ...gone] = [write(), write(), write(), write(), write()]
      yield* put(...gone.map(({ id }) => removal(id, 2)), removal(back.id, 2), alive)
      yield* put(at(back, 3))
      yield* purgeAll(Date.now() - 3_600_000)
      for (const { id } of gone) assert.isDefined(yield* stateOf(id))
      assert.isAtLeast(yield* purgeAll(Date.now() + 60_000), gone.length)
      for (const { id } of gone) assert.isUndefined(yield* stateOf(id))
      for (const { id } of [alive, back]) assert.isFalse((yield* stateOf(id))?.deleted)
    })
  )
}
