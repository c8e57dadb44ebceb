/** The entities in the store as documents. */
import { Array, Effect, HashMap, Layer, Option } from "effect"
import type { Entity, EntityId, EntityKind } from "../../src/domain/Entity.ts"
import { rangeSize } from "../../src/search/IdRange.ts"
import type { IndexWrite, SearchDocument } from "../../src/search/SearchDocument.ts"
import { SearchSource } from "../../src/search/SearchSource.ts"
import { digestsOf, entryOf, within } from "./IndexEntries.ts"
import { type Contents, Store } from "./StoreMemory.ts"

const kinds = ["tag", "library", "block"] as const

const found = <A>(map: HashMap.HashMap<EntityId, A>, id: EntityId): A | undefined =>
  Option.getOrUndefined(HashMap.get(map, id))

export const entityIn = (
  { entities }: Contents,
  id: EntityId
): { readonly kind: EntityKind; readonly entity: Entity } | undefined => {
  for (const kind of kinds) {
    const entity: Entity | undefined = found<Entity>(entities[kind], id)
    if (entity !== undefined) return { kind, entity }
  }
  return undefined
}

const documentOf = ({ entities: { library, tag } }: Contents, entity: Entity): SearchDocument =>
  "title" in entity
    ? {
      title: entity.title,
      body: entity.body,
      library_id: entity.library_id,
      tag_ids: entity.tag_ids,
      library: found(library, entity.library_id)?.name ?? null,
      tags: Array.getSomes(entity.tag_ids.map((id) => HashMap.get(tag, id))).map(({ name }) => name)
    }
    : { title: entity.name, body: "", library_id: null, tag_ids: [], library: null, tags: [] }

/** What the index should say of one id; nothing of what never was. */
export const stateOf = (contents: Contents, id: EntityId): IndexWrite | undefined => {
  const ahead = found(contents.reprojections, id) ?? 0
  const present = entityIn(contents, id)
  if (present !== undefined) {
    const { entity, kind } = present
    const { version } = entity
    return { kind, id, version, revision: version + ahead, document: documentOf(contents, entity) }
  }
  const removed = found(contents.removed, id)
  if (removed === undefined) return undefined
  const { kind, version } = removed
  return { kind, id, version, revision: version + ahead, document: null }
}

const idsIn = ({ entities }: Contents): ReadonlyArray<EntityId> =>
  kinds.flatMap((kind) => [...HashMap.keys<EntityId, Entity>(entities[kind])]).toSorted()

const loaded = (contents: Contents, ids: ReadonlyArray<EntityId>) =>
  [...new Set(ids)].flatMap((id) => stateOf(contents, id) ?? [])

const all = (contents: Contents) => loaded(contents, idsIn(contents))

const rangesOf = (contents: Contents, after: EntityId | undefined, limit: number) => {
  const ids = idsIn(contents).filter((id) => after === undefined || id > after)
  const parts = Array.chunksOf(ids, rangeSize).slice(0, limit)
  const tos = parts.flatMap((part) => part.length === rangeSize ? part.slice(-1) : [])
  // A page that is not full is the last one, and its last range open.
  const ends = tos.length === limit ? tos : [...tos, undefined]
  return ends.map((to, at) => {
    const range = { after: at === 0 ? after : ends[at - 1], to }
    return { range, digest: digestsOf(within(all(contents), range)) }
  })
}

const isUnderWay = ({ entities, fanOuts, rows }: Contents, id: EntityId): boolean => {
  const block = found(entities.block, id)
  const isShown = (other: EntityId) => block?.library_id === other || block?.tag_ids.includes(other) === true
  return fanOuts.some((renamed) => isShown(renamed.id)) || HashMap.some(
    rows,
    ({ change, projection, state }) => projection === "search" && change.id === id && state._tag !== "Finished"
  )
}

export const layer = Layer.effect(
  SearchSource,
  Effect.map(Store, (store) => {
    const { read } = store
    return SearchSource.of({
      load: (ids) => Effect.map(read, (contents) => loaded(contents, ids)),
      page: (after, limit) =>
        Effect.map(
          read,
          (contents) =>
            loaded(contents, idsIn(contents).filter((id) => after === undefined || id > after).slice(0, limit))
        ),
      count: Effect.map(read, (contents) => idsIn(contents).length),
      digests: (after, limit) => Effect.map(read, (contents) => rangesOf(contents, after, limit)),
      entries: (range, limit) => Effect.map(read, (contents) => within(all(contents), range).slice(0, limit)),
      entriesOf: (ids) => Effect.map(read, (contents) => loaded(contents, ids).map(entryOf)),
      underWay: (ids) => Effect.map(read, (contents) => ids.filter((id) => isUnderWay(contents, id)))
    })
  })
)
