/** A catalogue whose changes have all been told to an index, and the ways to look at both. */
import { Effect } from "effect"
import { Catalog } from "../../src/catalog/Catalog.ts"
import { Destination } from "../../src/delivery/Destination.ts"
import type { EntityId } from "../../src/domain/Entity.ts"
import { reconcile } from "../../src/reconcile/Reconcile.ts"
import type { Drift } from "../../src/search/Drift.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { claim, done, idsOf, settle } from "../support/Changes.ts"

export const catalog = Catalog.use.bind(Catalog)

/** As a worker does, until nothing waits; answers how many rows there were. */
export const tell = Effect.gen(function*() {
  const destination = yield* Destination
  let rows = 0
  for (;;) {
    const batch = yield* claim({ limit: 1_000 })
    if (batch.deliveries.length === 0) return rows
    rows += batch.deliveries.length
    yield* destination.deliver(batch.deliveries)
    yield* settle(batch, ...idsOf(batch).map(done))
  }
})

const color = "#1E90FF"

/** So many blocks in one library, each with a tag. */
export const shelf = Effect.fnUntraced(function*(count: number) {
  const library = yield* catalog(({ create }) => create("library", { name: "animals" }))
  const tag = yield* catalog(({ create }) => create("tag", { name: "pets", color }))
  const blocks: Array<{ readonly id: EntityId }> = []
  for (let from = 0; from < count; from += 500) {
    const fields = Array.from({ length: Math.min(500, count - from) }, (_, n) => ({
      library_id: library.id,
      title: `block ${from + n}`,
      body: "barks and 🧵",
      tag_ids: n % 2 === 0 ? [tag.id] : []
    }))
    blocks.push(...yield* catalog(({ createAll }) => createAll("block", fields)))
  }
  return { library, tag, blocks: blocks.map(({ id }) => id) }
})

/** What a comparison finds, besides its sums. */
export const found = Effect.fnUntraced(function*(repair = false) {
  const drifts: Array<Drift> = []
  const outcome = yield* reconcile({ repair, onPart: (part) => Effect.sync(() => void drifts.push(...part)) })
  return { drifts, outcome }
})

export const entriesOf = (ids: ReadonlyArray<EntityId>) =>
  Effect.map(SearchIndex.use((index) => index.entriesOf(ids)), (all) => new Map(all.map((entry) => [entry.id, entry])))
