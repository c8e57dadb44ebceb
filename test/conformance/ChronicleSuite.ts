/** What every chronicle promises: each version of an entity once, and the newest first. */
import { assert, type Vitest } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { Chronicle, type ChronicleEntry } from "../../src/chronicle/Chronicle.ts"
import { type Backstage, fresh } from "../support/Backstage.ts"
import { newId } from "../support/Changes.ts"
import { damaged } from "../support/Cursors.ts"
import { suiteOf } from "./Suite.ts"

type Needs = Chronicle | Backstage
type It = Vitest.MethodsNonLive<Needs>
type Filter = Parameters<Chronicle["Service"]["read"]>[0]

const entryOf = (said: Partial<ChronicleEntry> = {}): ChronicleEntry => ({
  entity_type: "tag",
  entity_id: newId(),
  version: 1,
  op: "upsert",
  actor: "ann",
  changes: [
    { field: "name", from: null, to: "it's \"new\" — 新" },
    { field: "tag_ids", from: ["a"], to: [] },
    { field: "count", from: 1, to: null }
  ],
  at: DateTime.makeUnsafe("2026-03-04T05:06:07.089Z"),
  request_id: "r-1",
  trace_id: "0af7651916cd43dd8448eb211c80319c",
  ...said
})

const append = (...entries: ReadonlyArray<ChronicleEntry>) => Chronicle.use((chronicle) => chronicle.append(entries))
const read = (filter: Filter = {}, limit = 100, cursor?: string) =>
  Chronicle.use((chronicle) => chronicle.read(filter, limit, cursor))

const minutes = (count: number) => DateTime.add(DateTime.makeUnsafe("2026-03-04T05:00:00Z"), { minutes: count })

const keeping = (it: It) => {
  it.effect("keeps an entry as it was told", () =>
    Effect.gen(function*() {
      const entries = [entryOf(), entryOf({ op: "delete", version: 2, request_id: null, trace_id: null, changes: [] })]
      assert.deepStrictEqual(yield* append(...entries), [true, true])
      for (const entry of entries) {
        assert.deepStrictEqual((yield* read({ entity_id: entry.entity_id })).items, [entry])
      }
    }).pipe(fresh))

  it.effect("takes every version of an entity once, and says which were new", () =>
    Effect.gen(function*() {
      const first = entryOf()
      const second = { ...first, version: 2 }
      assert.deepStrictEqual(yield* append(first), [true])
      assert.deepStrictEqual(yield* append(second, first, entryOf()), [true, false, true])
      assert.deepStrictEqual(yield* append(first, second), [false, false])
      assert.deepStrictEqual(yield* append(), [])
      assert.strictEqual((yield* read({ entity_id: first.entity_id })).items.length, 2)
    }).pipe(fresh))

  it.effect("keeps what was told first of a version", () =>
    Effect.gen(function*() {
      const first = entryOf()
      yield* append(first)
      yield* append({ ...first, actor: "somebody else", changes: [] })
      assert.deepStrictEqual((yield* read()).items, [first])
    }).pipe(fresh))

  it.effect("takes one of two that are told in the same call", () =>
    Effect.gen(function*() {
      const first = entryOf()
      const again = { ...first, actor: "somebody else" }
      assert.deepStrictEqual(yield* append(first, entryOf(), again), [true, true, false])
      assert.deepStrictEqual((yield* read({ entity_id: first.entity_id })).items, [first])
    }).pipe(fresh))

  it.effect("takes each once however many tell it at once, in whatever order", () =>
    Effect.gen(function*() {
      for (let round = 0; round < 4; round++) {
        const entries = Array.from({ length: 1_500 }, () => entryOf({ changes: [] }))
        const tellers = [entries, entries.toReversed(), entries, entries.toReversed()]
        const answers = yield* Effect.forEach(
          tellers,
          (told) => Effect.map(append(...told), (news) => told.filter((_, at) => news[at])),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(answers.flat().length, entries.length)
        assert.strictEqual(new Set(answers.flat()).size, entries.length)
      }
    }).pipe(fresh))
}

const reading = (it: It) => {
  it.effect("reads the newest first, of one entity, of one kind, or of all", () =>
    Effect.gen(function*() {
      const [id, other] = [newId(), newId()]
      const told = [
        entryOf({ entity_id: id, at: minutes(1) }),
        entryOf({ entity_id: other, entity_type: "block", at: minutes(3) }),
        entryOf({ entity_id: id, version: 3, at: minutes(4) }),
        entryOf({ entity_id: id, version: 2, at: minutes(2) })
      ]
      yield* append(...told)
      const shown = (filter: Filter) =>
        Effect.map(read(filter), ({ items }) => items.map(({ at }) => DateTime.toEpochMillis(at)))
      const at = (...which: ReadonlyArray<number>) => which.map((count) => DateTime.toEpochMillis(minutes(count)))
      assert.deepStrictEqual(yield* shown({}), at(4, 3, 2, 1))
      assert.deepStrictEqual(yield* shown({ entity_id: id }), at(4, 2, 1))
      assert.deepStrictEqual(yield* shown({ entity_type: "block" }), at(3))
      assert.deepStrictEqual(yield* shown({ entity_type: "block", entity_id: id }), [])
    }).pipe(fresh))

  it.effect("visits every entry once, page after page, also those of the same moment", () =>
    Effect.gen(function*() {
      const entries = Array.from({ length: 9 }, (_, each) => entryOf({ at: minutes(Math.floor(each / 4)) }))
      yield* append(...entries)
      const whole = (yield* read()).items
      assert.strictEqual(whole.length, entries.length)
      for (const limit of [1, 2, 3, 9, 10]) {
        const visited: Array<ChronicleEntry> = []
        let cursor: string | undefined
        for (let page = 0; page < 20; page++) {
          const { items, next_cursor } = yield* read({}, limit, cursor)
          assert.isAtMost(items.length, limit)
          visited.push(...items)
          if (next_cursor === null) break
          cursor = next_cursor
        }
        assert.deepStrictEqual(visited, [...whole], `pages of ${limit}`)
      }
    }).pipe(fresh))

  it.effect("goes on where it was although newer entries come", () =>
    Effect.gen(function*() {
      yield* append(...[1, 2, 3, 4].map((each) => entryOf({ at: minutes(each) })))
      const first = yield* read({}, 2)
      yield* append(entryOf({ at: minutes(9) }))
      const rest = yield* read({}, 2, first.next_cursor!)
      assert.deepStrictEqual(rest.items.map(({ at }) => at), [minutes(2), minutes(1)])
    }).pipe(fresh))

  it.effect("refuses a cursor that it did not give out", () =>
    Effect.gen(function*() {
      yield* append(entryOf(), entryOf())
      const own = (yield* read({}, 1)).next_cursor!
      assert.strictEqual((yield* read({}, 100, own)).items.length, 1)
      const foreign = [{ at: "never", seq: "no" }, { at: 1e300, seq: 1 }, { search: 1 }, null]
      for (const cursor of damaged(own, ...foreign)) {
        assert.strictEqual((yield* Effect.flip(read({}, 100, cursor)))._tag, "CursorInvalid", cursor)
      }
    }).pipe(fresh))
}

export const suite = suiteOf<Needs>("Chronicle", [keeping, reading])
