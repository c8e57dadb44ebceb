/** The chronicle as a list: an entry is added when its entity's version is not in it. */
import { DateTime, Effect, Layer } from "effect"
import { Chronicle, type ChronicleEntry } from "../../src/chronicle/Chronicle.ts"
import { toPage } from "../../src/domain/Paging.ts"
import { Store } from "./StoreMemory.ts"

const keyOf = ({ entity_id, version }: ChronicleEntry) => `${entity_id}:${version}`

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
      read: ({ entity_id, entity_type }, limit, cursor) =>
        Effect.map(store.read, ({ entries }) => {
          const found = entries
            .map((entry, at) => ({ entry, at }))
            .filter(({ entry }) => entity_type === undefined || entity_type === entry.entity_type)
            .filter(({ entry }) => entity_id === undefined || entity_id === entry.entity_id)
            .toSorted((a, b) => DateTime.toEpochMillis(b.entry.at) - DateTime.toEpochMillis(a.entry.at) || b.at - a.at)
          const from = 1 + found.findIndex(({ at }) => String(at) === cursor)
          const page = toPage(found.slice(from, from + limit + 1), limit, ({ at }) => String(at))
          return { ...page, items: page.items.map(({ entry }) => entry) }
        })
    })
  })
)
