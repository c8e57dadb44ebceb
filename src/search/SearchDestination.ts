/** Brings the present state of the changed entities to the search index, in one write for the whole batch. */
import { Effect, Layer } from "effect"
import { type Delivered, Destination } from "../delivery/Destination.ts"
import { type Failure, storeFailed } from "../delivery/Failure.ts"
import type { Outcome } from "../delivery/Settlement.ts"
import { entityKindOf } from "../domain/Change.ts"
import type { EntityId } from "../domain/Entity.ts"
import type { Delivery } from "../outbox/Leases.ts"
import { SearchBuilds } from "./SearchBuilds.ts"
import type { IndexWrite } from "./SearchDocument.ts"
import { SearchIndex } from "./SearchIndex.ts"
import { SearchSource } from "./SearchSource.ts"
import * as Spread from "./Spread.ts"

/** The newest version that the batch knows of each entity. */
const newest = (deliveries: ReadonlyArray<Delivery>): ReadonlyMap<EntityId, Delivery> => {
  const byId = new Map<EntityId, Delivery>()
  for (const delivery of deliveries) {
    const known = byId.get(delivery.entityId)
    if (known === undefined || known.version < delivery.version) byId.set(delivery.entityId, delivery)
  }
  return byId
}

export const layer = Layer.effect(
  Destination,
  Effect.gen(function*() {
    const { name } = yield* SearchIndex
    const source = yield* SearchSource
    const builds = yield* SearchBuilds
    const spread = yield* Spread.make

    // The row is a hint, the entity is the truth: what is no longer there was removed, whatever the row says.
    const writesFor = Effect.fnUntraced(function*(wanted: ReadonlyMap<EntityId, Delivery>) {
      const found = yield* source.load([...wanted.keys()])
      const byId = new Map(found.map((write) => [write.id, write]))
      return [...wanted.values()].map(({ entityId: id, kind, version }): IndexWrite =>
        byId.get(id) ?? { kind: entityKindOf(kind), id, version, revision: version, document: null }
      )
    })

    const allFailed = (deliveries: ReadonlyArray<Delivery>, failure: Failure): Delivered => ({
      outcomes: new Map(deliveries.map(({ id }) => [id, { _tag: "Failed", failure }])),
      calls: [],
      refused: failure
    })

    return Destination.of({
      deliver: Effect.fnUntraced(
        function*(deliveries) {
          const wanted = newest(deliveries)
          // After the claim, on which the swap of two generations relies.
          const [writes, build] = yield* Effect.all([writesFor(wanted), builds.find(name)], { concurrency: 2 })
          const { calls, refused, results } = yield* spread(writes, build)
          const byEntity = new Map(writes.map((write, at) => [write.id, results[at]!]))
          // Of several rows of one entity only the newest was written; it leaves the others nothing to do.
          const outcomeOf = (row: Delivery): Outcome => {
            const result = byEntity.get(row.entityId)!
            return result._tag === "Written" && wanted.get(row.entityId) !== row ? { _tag: "Superseded" } : result
          }
          return { calls, refused, outcomes: new Map(deliveries.map((row) => [row.id, outcomeOf(row)])) }
        },
        (effect, deliveries) =>
          Effect.catchTag(effect, "StoreUnavailable", () => Effect.succeed(allFailed(deliveries, storeFailed)))
      )
    })
  })
)
