/** Entities in PostgreSQL: one table per kind, a column per field. */
import { DateTime, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { EntityNotFound, LibraryNotEmpty, NameTaken, ReferenceMissing } from "../../src/catalog/CatalogErrors.ts"
import { EntityStore } from "../../src/catalog/EntityStore.ts"
import {
  Block,
  type EntityId,
  type EntityKind,
  type EntityOf,
  entityOf,
  type FieldsOf,
  Library,
  Tag
} from "../../src/domain/Entity.ts"
import { toPage } from "../../src/domain/Paging.ts"
import { jsons, texts, uuids } from "./Parameters.ts"
import { constraintOf, orUnavailable } from "./PostgresErrors.ts"
import { provenByFirst } from "./Rows.ts"
import { statement } from "./Statement.ts"

const tables = { tag: "tags", library: "libraries", block: "blocks" } as const

/** Not all that a table has: how often an entity was projected anew concerns the index alone. */
const columnsOf = (kind: EntityKind) => Object.keys(entityOf[kind].fields).join(", ")

const stamps = { created_at: Schema.DateTimeUtcFromDate, updated_at: Schema.DateTimeUtcFromDate }
const proven = {
  tag: provenByFirst(Schema.Struct({ ...Tag.fields, ...stamps })),
  library: provenByFirst(Schema.Struct({ ...Library.fields, ...stamps })),
  block: provenByFirst(Schema.Struct({ ...Block.fields, ...stamps }))
}

interface Stamped {
  readonly created_at: Date
  readonly updated_at: Date
}

/** A row that does not fit is a bug of ours, so decoding throws. */
const decode = <K extends EntityKind>(kind: K, found: ReadonlyArray<unknown>) =>
  (proven[kind](found) as ReadonlyArray<Stamped>).map((row) => ({
    ...row,
    created_at: DateTime.fromDateUnsafe(row.created_at),
    updated_at: DateTime.fromDateUnsafe(row.updated_at)
  })) as unknown as ReadonlyArray<EntityOf[K]>

/** The type of every column that a bulk insert fills, for `unnest`; arrays do not nest there, so tag_ids go as JSON. */
const inserted = {
  tag: [["name", "text"], ["color", "text"]],
  library: [["name", "text"]],
  block: [["library_id", "uuid"], ["title", "text"], ["body", "text"], ["tag_ids", "jsonb"]]
} as const

type Refused = NameTaken | ReferenceMissing

const refusals = <K extends EntityKind>(kind: K, all: ReadonlyArray<Partial<FieldsOf[K]>>) =>
<A, E, R>(
  effect: Effect.Effect<A, E | SqlError.SqlError, R>
): Effect.Effect<A, E | SqlError.SqlError | Refused, R> =>
  Effect.catchIf(
    effect,
    (error): error is SqlError.SqlError & E => SqlError.isSqlError(error) && constraintOf(error) !== undefined,
    (error): Effect.Effect<never, E | SqlError.SqlError | Refused> => {
      const values = (field: string) => [
        ...new Set(all.map((fields) => String((fields as Record<string, unknown>)[field])))
      ]
      switch (constraintOf(error)) {
        case "tags_name_key":
          return Effect.fail(new NameTaken({ kind, name: values("name").join(", ") }))
        case "blocks_library_id_fkey":
          return Effect.fail(new ReferenceMissing({ field: "library_id", ids: values("library_id") }))
        default:
          return Effect.fail(error)
      }
    }
  )

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  /** Keeps the tags from being deleted before this transaction ends. */
  const holdTags = Effect.fnUntraced(function*(all: ReadonlyArray<{ readonly tag_ids?: ReadonlyArray<EntityId> }>) {
    const ids = [...new Set(all.flatMap((fields) => fields.tag_ids ?? []))].toSorted()
    if (ids.length === 0) return
    const found = yield* statement(
      "query",
      "tags",
      sql<{ readonly id: string }>`
      select id from tags where id = any(${uuids(ids)}) order by id for key share`
    )
    const known = new Set(found.map(({ id }) => id))
    const missing = ids.filter((id) => !known.has(id))
    if (missing.length > 0) return yield* new ReferenceMissing({ field: "tag_ids", ids: missing })
  })

  const insert = Effect.fnUntraced(function*<K extends EntityKind>(
    kind: K,
    entities: ReadonlyArray<{ readonly id: EntityId; readonly fields: FieldsOf[K] }>
  ) {
    const fields = entities.map((entity) => entity.fields)
    if (kind === "block") yield* holdTags(fields as ReadonlyArray<FieldsOf["block"]>)
    const columns = inserted[kind]
    const arrays = columns.map(([name, type]) => {
      const values = fields.map((one) => (one as Record<string, unknown>)[name])
      const written = type === "jsonb" ? jsons(values) : texts(values as ReadonlyArray<string>)
      return sql`${written}::${sql.literal(type)}[]`
    })
    const names = columns.map(([name]) => name).join(", ")
    const selected = columns.map(([name, type]) =>
      type === "jsonb" ? `array(select jsonb_array_elements_text(${name}))::uuid[]` : name
    ).join(", ")
    const found = yield* statement(
      "create",
      tables[kind],
      sql`
      insert into ${sql(tables[kind])} (id, ${sql.literal(names)})
      select id, ${sql.literal(selected)}
      from unnest(${uuids(entities.map(({ id }) => id))}, ${sql.csv(arrays)}) as new (id, ${sql.literal(names)})
      returning ${sql.literal(columnsOf(kind))}`
    )
    const byId = new Map(decode(kind, found).map((entity) => [entity.id, entity]))
    return entities.map(({ id }) => byId.get(id)!)
  }, (effect, kind, entities) => refusals(kind, entities.map(({ fields }) => fields))(effect))

  const get = (lock: boolean) =>
    Effect.fnUntraced(function*<K extends EntityKind>(kind: K, id: EntityId) {
      const found = yield* statement(
        "query",
        tables[kind],
        sql`
        select ${sql.literal(columnsOf(kind))} from ${sql(tables[kind])} where id = ${id}::uuid ${
          lock ? sql`for update` : sql``
        }`
      )
      return decode(kind, found)[0] ?? (yield* new EntityNotFound({ kind, id }))
    })

  const update = Effect.fnUntraced(function*<K extends EntityKind>(kind: K, id: EntityId, patch: Partial<FieldsOf[K]>) {
    if (kind === "block") yield* holdTags([patch])
    const assignments = Object.entries(patch).map(([field, value]) =>
      Array.isArray(value)
        ? sql`${sql(field)} = ${uuids(value as Array<string>)}`
        : field === "library_id"
        ? sql`library_id = ${value as string}::uuid`
        : sql`${sql(field)} = ${value as string}`
    )
    const found = yield* statement(
      "update",
      tables[kind],
      sql`
      update ${sql(tables[kind])}
      set ${sql.csv(assignments)}, version = version + 1, updated_at = clock_timestamp()
      where id = ${id}::uuid returning ${sql.literal(columnsOf(kind))}`
    )
    return decode(kind, found)[0]!
  }, (effect, kind, _id, patch) => refusals(kind, [patch])(effect))

  const remove = (kind: EntityKind, id: EntityId) =>
    Effect.catchIf(
      Effect.asVoid(statement(
        "delete",
        tables[kind],
        sql`
        with gone as (delete from ${sql(tables[kind])} where id = ${id}::uuid returning id, version, reprojections)
        insert into removed_entities (id, kind, version, reprojections)
        select id, ${kind}, version + 1, reprojections from gone returning id`
      )),
      (error) => constraintOf(error) === "blocks_library_id_fkey",
      () => Effect.fail(new LibraryNotEmpty({ id }))
    )

  const untag = (tag: EntityId) =>
    Effect.map(
      statement(
        "update",
        "blocks",
        sql`
        with tagged as materialized (
          select id from blocks where tag_ids @> array[${tag}::uuid] order by id for update
        )
        update blocks set tag_ids = array_remove(tag_ids, ${tag}::uuid), version = version + 1,
          updated_at = clock_timestamp()
        where id in (select id from tagged) returning ${sql.literal(columnsOf("block"))}`
      ),
      (found) => decode("block", found)
    )

  const list = <K extends EntityKind>(kind: K, limit: number, after: EntityId | undefined) =>
    Effect.map(
      statement(
        "query",
        tables[kind],
        sql`
        select ${sql.literal(columnsOf(kind))} from ${sql(tables[kind])}
        ${after === undefined ? sql`` : sql`where id > ${after}::uuid`} order by id limit ${limit + 1}`
      ),
      (found) => toPage(decode(kind, found), limit, (last) => last.id)
    )

  return EntityStore.of({
    insert: (kind, entities) => orUnavailable(insert(kind, entities)),
    get: (kind, id) => orUnavailable(get(false)(kind, id)),
    getForUpdate: (kind, id) => orUnavailable(get(true)(kind, id)),
    hold: (kind, patch) => orUnavailable(kind === "block" ? holdTags([patch]) : Effect.void),
    update: (kind, id, patch) => orUnavailable(update(kind, id, patch)),
    remove: (kind, id) => orUnavailable(remove(kind, id)),
    untag: (tag) => orUnavailable(untag(tag)),
    list: (kind, limit, after) => orUnavailable(list(kind, limit, after))
  })
})

export const layer = Layer.effect(EntityStore, make)
