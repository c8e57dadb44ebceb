/** All a caller can do to a tag, a library or a block. Each write is one transaction: the entity, and its change. */
import { Array, Context, Effect, Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import { type Change, differences, removed } from "../domain/Change.ts"
import { type Entity, EntityId, type EntityKind, type EntityOf, type FieldsOf, fieldsOf } from "../domain/Entity.ts"
import type { Page } from "../domain/Paging.ts"
import { FanOuts } from "../outbox/FanOuts.ts"
import { Outbox } from "../outbox/Outbox.ts"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"
import { Transaction } from "../outbox/Transaction.ts"
import {
  type EntityNotFound,
  type LibraryNotEmpty,
  type NameTaken,
  type ReferenceMissing,
  VersionMismatch
} from "./CatalogErrors.ts"
import { EntityStore } from "./EntityStore.ts"

type Refused = NameTaken | ReferenceMissing | StoreUnavailable

/** Rows per statement when one write changes many blocks. */
const changesMax = 1_000

const settable = <K extends EntityKind>(kind: K, entity: EntityOf[K]) =>
  Object.fromEntries(
    Object.keys(fieldsOf[kind].fields).map((field) => [field, (entity as Record<string, unknown>)[field]])
  ) as Partial<FieldsOf[K]>

const libraryOf = (entity: Entity) => "library_id" in entity ? entity.library_id : null

const created = <K extends EntityKind>(kind: K, entity: EntityOf[K]): Change => ({
  kind,
  id: entity.id,
  version: entity.version,
  op: "upsert",
  libraryId: libraryOf(entity),
  fields: differences({}, settable(kind, entity))
})

export class Catalog extends Context.Service<Catalog, {
  readonly create: <K extends EntityKind>(kind: K, fields: FieldsOf[K]) => Effect.Effect<EntityOf[K], Refused>
  /** As many `create` in one transaction. */
  readonly createAll: <K extends EntityKind>(
    kind: K,
    all: ReadonlyArray<FieldsOf[K]>
  ) => Effect.Effect<ReadonlyArray<EntityOf[K]>, Refused>
  readonly get: EntityStore["Service"]["get"]
  readonly list: <K extends EntityKind>(
    kind: K,
    limit: number,
    after: EntityId | undefined
  ) => Effect.Effect<Page<EntityOf[K]>, StoreUnavailable>
  /** Fields that equal what is there already are not a change: then nothing is written. */
  readonly change: <K extends EntityKind>(
    kind: K,
    id: EntityId,
    patch: Partial<FieldsOf[K]>,
    expected: number | undefined
  ) => Effect.Effect<EntityOf[K], EntityNotFound | VersionMismatch | Refused>
  /** The version that says that it is no more. */
  readonly remove: (
    kind: EntityKind,
    id: EntityId,
    expected: number | undefined
  ) => Effect.Effect<number, EntityNotFound | VersionMismatch | LibraryNotEmpty | StoreUnavailable>
}>()("wordloom/catalog/Catalog") {
  static readonly layer = Layer.effect(
    Catalog,
    Effect.gen(function*() {
      const store = yield* EntityStore
      const outbox = yield* Outbox
      const fanOuts = yield* FanOuts
      const transaction = yield* Transaction
      const random = yield* SecureRandom.SecureRandom

      const newId = Effect.map(random.uuidV7(), (id) => EntityId.make(id))

      const getExpected = Effect.fnUntraced(function*<K extends EntityKind>(
        kind: K,
        id: EntityId,
        expected: number | undefined
      ) {
        const entity = yield* store.getForUpdate(kind, id)
        return expected === undefined || expected === entity.version
          ? entity
          : yield* new VersionMismatch({ expected, actual: entity.version })
      })

      const untag = Effect.fnUntraced(function*(tag: EntityId) {
        const blocks = yield* store.untag(tag)
        const changes = blocks.map((block): Change => ({
          kind: "block",
          id: block.id,
          version: block.version,
          op: "upsert",
          libraryId: block.library_id,
          fields: [{ field: "tag_ids", from: [...block.tag_ids, tag], to: block.tag_ids }]
        }))
        yield* Effect.forEach(Array.chunksOf(changes, changesMax), (some) => outbox.append(some), { discard: true })
      })

      const createAll = <K extends EntityKind>(kind: K, all: ReadonlyArray<FieldsOf[K]>) =>
        Effect.gen(function*() {
          const ids = yield* Effect.forEach(all, () => newId)
          const entities = yield* store.insert(kind, all.map((fields, at) => ({ id: ids[at]!, fields })))
          yield* outbox.append(entities.map((entity) => created(kind, entity)))
          return entities
        }).pipe(transaction.run)

      return Catalog.of({
        create: (kind, fields) => Effect.map(createAll(kind, [fields]), (entities) => entities[0]!),
        createAll,
        get: store.get,
        list: store.list,
        change: (kind, id, patch, expected) =>
          Effect.gen(function*() {
            yield* store.hold(kind, patch)
            const before = yield* getExpected(kind, id, expected)
            const fields = differences(before, patch)
            if (fields.length === 0) return before
            const after = yield* store.update(kind, id, patch)
            const libraryId = libraryOf(after)
            const { version } = after
            yield* outbox.append([{ kind, id, version, op: "upsert", libraryId, fields }])
            // A block shows the names of its tags and its library.
            const isRenamed = fields.some(({ field }) => field === "name")
            if (isRenamed && kind !== "block") yield* fanOuts.begin({ kind, id, version })
            return after
          }).pipe(transaction.run),
        remove: (kind, id, expected) =>
          Effect.gen(function*() {
            const before = yield* getExpected(kind, id, expected)
            if (kind === "tag") yield* untag(id)
            yield* store.remove(kind, id)
            const version = before.version + 1
            yield* outbox.append([{
              kind,
              id,
              version,
              op: "delete",
              libraryId: libraryOf(before),
              fields: removed(settable(kind, before))
            }])
            return version
          }).pipe(transaction.run)
      })
    })
  )
}
