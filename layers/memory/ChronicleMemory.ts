/** The chronicle as a list: an entry is added when its entity's version is not in it. */
import { DateTime, Effect, Layer } from "effect"
import { Chronicle, type ChronicleEntry } from "../../src/chronicle/Chronicle.ts"
import { CursorInvalid, toPage } from "../../src/domain/Paging.ts"
import { Store } from "./StoreMemory.ts"

const keyOf = ({ entity_id, version }: ChronicleEntry) => `${entity_id}:${version}`

interface Kept {
  readonly entry: ChronicleEntry
  readonly at: number
}

const newestFirst = (a: Kept, b: Kept) =>
  DateTime.toEpochMillis(b.entry.at) - DateTime.toEpochMillis(a.entry.at) || b.at - a.at

export const layer = Layer.effect(
  Chronicle,
  Effect.gen(function*() {
    const store = yield* Store

    const append = Effect.fnUntraced(function*(entries: ReadonlyArray<ChronicleEntry>) {
      const contents = yield* store.read
      const known = new Set(contents.entries.map(keyOf))
      const isNew = entries.map((entry) => {
        const count = known.size
        return known.add(keyOf(entry)).size > count
      })
      yield* store.write({ ...contents, entries: [...contents.entries, ...entries.filter((_, at) => isNew[at])] })
      return isNew
    })

    return Chronicle.of({
      append: (entries) => store.run(append(entries)),
      read: Effect.fnUntraced(function*({ entity_id, entity_type }, limit, cursor) {
        const all = (yield* store.read).entries.map((entry, at) => ({ entry, at }))
        const last = cursor === undefined ? undefined : all.find(({ at }) => String(at) === cursor)
        if (cursor !== undefined && last === undefined) return yield* new CursorInvalid()
        const found = all
          .filter(({ entry }) => entity_type === undefined || entity_type === entry.entity_type)
          .filter(({ entry }) => entity_id === undefined || entity_id === entry.entity_id)
          .filter((one) => last === undefined || newestFirst(last, one) < 0)
          .toSorted(newestFirst)
        const page = toPage(found.slice(0, limit + 1), limit, ({ at }) => String(at))
        return { ...page, items: page.items.map(({ entry }) => entry) }
      })
    })
  })
)
