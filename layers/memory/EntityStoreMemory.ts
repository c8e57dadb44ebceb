/** Entities in the store: one map per kind. */
import { DateTime, Effect, HashMap, Layer, Option } from "effect"
import { EntityNotFound, LibraryNotEmpty, NameTaken, ReferenceMissing } from "../../src/catalog/CatalogErrors.ts"
import { EntityStore } from "../../src/catalog/EntityStore.ts"
import type { EntityId, EntityKind, EntityOf, FieldsOf } from "../../src/domain/Entity.ts"
import { toPage } from "../../src/domain/Paging.ts"
import { type Contents, databaseNow, Store } from "./StoreMemory.ts"

const of = <K extends EntityKind>(contents: Contents, kind: K) =>
  contents.entities[kind] as unknown as HashMap.HashMap<EntityId, EntityOf[K]>

const put = <K extends EntityKind>(contents: Contents, kind: K, entity: EntityOf[K]): Contents => ({
  ...contents,
  entities: { ...contents.entities, [kind]: HashMap.set(of(contents, kind), entity.id, entity) }
})

/** What the fields of a new or changed entity ask of the others. */
const allowed = <K extends EntityKind>(contents: Contents, kind: K, id: EntityId, all: Partial<FieldsOf[K]>) => {
  const fields: Partial<FieldsOf["tag"] & FieldsOf["block"]> = all
  const lacks = (kind: EntityKind) => (id: EntityId) => !HashMap.has(of(contents, kind), id)
  const { library_id, name, tag_ids = [] } = fields
  const isTaken = kind === "tag" && HashMap.some(contents.entities.tag, (tag) => tag.name === name && tag.id !== id)
  if (name !== undefined && isTaken) return Effect.fail(new NameTaken({ kind, name }))
  const ids = tag_ids.filter(lacks("tag"))
  if (ids.length > 0) return Effect.fail(new ReferenceMissing({ field: "tag_ids", ids }))
  return library_id !== undefined && lacks("library")(library_id)
    ? Effect.fail(new ReferenceMissing({ field: "library_id", ids: [library_id] }))
    : Effect.void
}

const byId = (a: { readonly id: EntityId }, b: { readonly id: EntityId }) => a.id < b.id ? -1 : 1

const make = Effect.gen(function*() {
  const store = yield* Store

  const insertOne = Effect.fnUntraced(function*<K extends EntityKind>(kind: K, id: EntityId, fields: FieldsOf[K]) {
    const contents = yield* store.read
    yield* allowed(contents, kind, id, fields)
    const now = yield* DateTime.now
    const entity = { id, ...fields, version: 1, created_at: now, updated_at: now } as unknown as EntityOf[K]
    yield* store.write(put(contents, kind, entity))
    return entity
  })

  const raise = Effect.fnUntraced(
    function*<K extends EntityKind>(kind: K, before: EntityOf[K], patch: Partial<FieldsOf[K]>) {
      const after = { ...before, ...patch, version: before.version + 1, updated_at: yield* DateTime.now }
      yield* store.write(put(yield* store.read, kind, after))
      return after
    }
  )

  const get = Effect.fnUntraced(function*<K extends EntityKind>(kind: K, id: EntityId) {
    const found = Option.getOrUndefined(HashMap.get(of(yield* store.read, kind), id))
    return found ?? (yield* new EntityNotFound({ kind, id }))
  })

  const all = <K extends EntityKind>(kind: K) =>
    Effect.map(store.read, (contents) => HashMap.toValues(of(contents, kind)))

  return EntityStore.of({
    insert: (kind, entities) => Effect.forEach(entities, ({ fields, id }) => insertOne(kind, id, fields)),
    get,
    getForUpdate: get,
    // Transactions run one after the other here, so nobody removes anything meanwhile; `update` refuses the rest.
    hold: () => Effect.void,
    update: Effect.fnUntraced(function*(kind, id, patch) {
      const contents = yield* store.read
      yield* allowed(contents, kind, id, patch)
      return yield* raise(kind, HashMap.getUnsafe(of(contents, kind), id), patch)
    }),
    remove: Effect.fnUntraced(function*(kind, id) {
      const contents = yield* store.read
      if (HashMap.some(contents.entities.block, ({ library_id }) => library_id === id)) {
        return yield* new LibraryNotEmpty({ id })
      }
      const { version } = HashMap.getUnsafe(of(contents, kind), id)
      const left = HashMap.remove(of(contents, kind), id)
      yield* store.write({
        ...contents,
        entities: { ...contents.entities, [kind]: left },
        removed: HashMap.set(contents.removed, id, { kind, version: version + 1, at: yield* databaseNow })
      })
    }),
    untag: Effect.fnUntraced(function*(tag) {
      const tagged = (yield* all("block")).filter(({ tag_ids }) => tag_ids.includes(tag))
      return yield* Effect.forEach(
        tagged,
        (block) => raise("block", block, { tag_ids: block.tag_ids.filter((id) => id !== tag) })
      )
    }),
    list: (kind, limit, after) =>
      Effect.map(all(kind), (found) =>
        toPage(
          found.filter(({ id }) => after === undefined || id > after).toSorted(byId).slice(0, limit + 1),
          limit,
          ({ id }) => id
        ))
  })
})

export const layer = Layer.effect(EntityStore, make)
