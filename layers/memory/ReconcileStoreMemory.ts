/** What a comparison leaves in the store in memory. */
import { Effect, HashMap, Layer, Option } from "effect"
import type { Change } from "../../src/domain/Change.ts"
import type { EntityId } from "../../src/domain/Entity.ts"
import { ReconcileStore, type Surpassed } from "../../src/reconcile/ReconcileStore.ts"
import { entityIn } from "./SearchSourceMemory.ts"
import { type Contents, databaseNow, micros, Store } from "./StoreMemory.ts"

const raised = (contents: Contents, { above, id }: Surpassed, version: number): Contents["reprojections"] => {
  const now = Option.getOrElse(HashMap.get(contents.reprojections, id), () => 0)
  return HashMap.set(contents.reprojections, id, Math.max(now, above - version) + 1)
}

/** The index has been told of every change of it. */
const isDone = ({ rows }: Contents, id: EntityId): boolean =>
  HashMap.every(
    rows,
    ({ change, projection, state }) =>
      projection !== "search" || change.id !== id || (state._tag === "Finished" && state.as === "done")
  )

export const layer = Layer.effect(
  ReconcileStore,
  Effect.map(Store, (store) => {
    const orphan = Effect.fnUntraced(function*(contents: Contents, one: Surpassed) {
      const { above, id, kind } = one
      const known = Option.getOrUndefined(HashMap.get(contents.removed, id))
      const version = known?.version ?? Math.min(one.version, above) + 1
      const removed = HashMap.set(contents.removed, id, { kind, version, at: yield* databaseNow })
      yield* store.write({ ...contents, removed, reprojections: raised(contents, one, version) })
      return [{ kind, id, version, op: "delete", libraryId: null, fields: [] }] satisfies ReadonlyArray<Change>
    })

    const surpass = Effect.fnUntraced(function*(one: Surpassed) {
      const contents = yield* store.read
      const present = entityIn(contents, one.id)
      if (one.isOrphan) return present === undefined ? yield* orphan(contents, one) : []
      if (present === undefined) return []
      const { entity, kind } = present
      yield* store.write({ ...contents, reprojections: raised(contents, one, entity.version) })
      const libraryId = "library_id" in entity ? entity.library_id : null
      return [{
        kind,
        id: one.id,
        version: entity.version,
        op: "upsert",
        libraryId,
        fields: []
      }] satisfies ReadonlyArray<
        Change
      >
    })

    const change = (to: (contents: Contents, now: number) => Contents) =>
      store.run(Effect.flatMap(
        Effect.zip(store.read, databaseNow),
        ([contents, now]) => store.write(to(contents, now))
      ))

    return ReconcileStore.of({
      surpass: (all) => Effect.map(Effect.forEach(all, surpass), (changes) => changes.flat()),
      takeTurn: (every) =>
        store.run(Effect.gen(function*() {
          const [contents, now] = [yield* store.read, yield* databaseNow]
          if (contents.reconciled.begunAt > now - micros(every)) return undefined
          yield* store.write({ ...contents, reconciled: { ...contents.reconciled, begunAt: now } })
          return now / 1_000
        })),
      giveBack: (every, delay) =>
        change((contents, now) => ({
          ...contents,
          reconciled: { ...contents.reconciled, begunAt: now + micros(delay) - micros(every) }
        })),
      record: (found) => change((contents) => ({ ...contents, reconciled: { ...contents.reconciled, found } })),
      last: Effect.map(store.read, ({ reconciled }) => reconciled.found),
      forget: (before, limit) =>
        store.run(Effect.gen(function*() {
          const contents = yield* store.read
          const old = [...HashMap.entries(contents.removed)].filter(([id, { at }]) =>
            at < before * 1_000 && isDone(contents, id)
          )
          const gone = old.slice(0, limit).map(([id]) => id)
          yield* store.write({ ...contents, removed: HashMap.removeMany(contents.removed, gone) })
          return gone.length
        }))
    })
  })
)
