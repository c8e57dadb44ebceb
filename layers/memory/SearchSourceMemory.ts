/** The entities in the store as documents. */
import { Array, Effect, HashMap, Layer, Option } from "effect"
import type { Entity, EntityId, EntityKind } from "../../src/domain/Entity.ts"
import type { IndexWrite, SearchDocument } from "../../src/search/SearchDocument.ts"
import { SearchSource } from "../../src/search/SearchSource.ts"
import { type Contents, Store } from "./StoreMemory.ts"

const kinds = ["tag", "library", "block"] as const

const found = <A>(map: HashMap.HashMap<EntityId, A>, id: EntityId): A | undefined =>
  Option.getOrUndefined(HashMap.get(map, id))

const entityIn = (
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
  return removed === undefined ? undefined : { ...removed, id, revision: removed.version + ahead, document: null }
}

const idsIn = ({ entities }: Contents): ReadonlyArray<EntityId> =>
  kinds.flatMap((kind) => [...HashMap.keys<EntityId, Entity>(entities[kind])])

export const layer = Layer.effect(
  SearchSource,
  Effect.map(Store, (store) =>
    SearchSource.of({
      load: (ids) =>
        Effect.map(store.read, (contents) => [...new Set(ids)].flatMap((id) => stateOf(contents, id) ?? [])),
      page: (after, limit) =>
        Effect.map(store.read, (contents) =>
          idsIn(contents)
            .filter((id) => after === undefined || id > after)
            .toSorted()
            .slice(0, limit)
            .flatMap((id) => stateOf(contents, id) ?? [])),
      count: Effect.map(store.read, (contents) => idsIn(contents).length)
    }))
)
