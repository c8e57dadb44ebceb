/** What search inside PostgreSQL holds, as it is compared with the entities; and the end of its tombstones. */
import { Effect, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { EntityId, EntityKind } from "../../src/domain/Entity.ts"
import type { IdRange, IndexEntry, RangeDigest } from "../../src/search/IdRange.ts"
import { uuids } from "./Parameters.ts"
import { provenByFirst } from "./Rows.ts"
import { silent } from "./Statement.ts"

const asEntries = provenByFirst(Schema.Struct({
  id: EntityId,
  kind: EntityKind,
  version: Schema.Int,
  revision: Schema.Number,
  deleted: Schema.Boolean,
  digest: Schema.Number
}))

const digestOf = "wordloom_digest(kind, id, version, title, body, library_id, tag_ids, library, tags)"

const columns = `id, kind, version, revision::float8 as revision, deleted,
  case when deleted then 0 else ${digestOf} end::float8 as digest`

const sums = `count(*)::integer as count, coalesce(sum(${digestOf}), 0)::float8 as digest,
  coalesce(sum(revision), 0)::float8 as revision`

export const make = (sql: SqlClient.SqlClient) => {
  const of = (generation: string | undefined) =>
    generation === undefined
      ? sql`generation = (select generation from search_live)`
      : sql`generation = ${Number(generation)}::integer`

  const alive = ({ after, to }: IdRange, generation: string | undefined) =>
    sql.and([
      sql`${of(generation)} and not deleted`,
      ...(after === undefined ? [] : [sql`id > ${after}::uuid`]),
      ...(to === undefined ? [] : [sql`id <= ${to}::uuid`])
    ])

  const found = (which: ReturnType<typeof alive>) =>
    Effect.map(
      silent(sql`select ${sql.literal(columns)} from search_documents where ${which}`),
      (rows) => asEntries(rows) as ReadonlyArray<IndexEntry>
    )

  /** One part for each range, so that each walks its stretch of the key. */
  const digests = (ranges: ReadonlyArray<IdRange>, generation: string | undefined) => {
    const parts = ranges.map((range, at) =>
      sql`select ${at}::integer as at, ${sql.literal(sums)} from search_documents where ${alive(range, generation)}`
    )
    return parts.length === 0 ? Effect.succeed([]) : silent(sql<RangeDigest>`
      select count, digest, revision from (${sql.join(" union all ", false)(parts)}) as parts order by at`)
  }

  return {
    digests,
    list: (range: IdRange, limit: number, generation: string | undefined) =>
      found(sql`${alive(range, generation)} order by id limit ${limit}`),
    ofIds: (ids: ReadonlyArray<EntityId>, generation: string | undefined) =>
      ids.length === 0 ? Effect.succeed([]) : found(sql`${of(generation)} and id = any(${uuids(ids)})`),
    /** In every generation: the one that is being built, or is kept for a while, has tombstones too. */
    purge: (before: number, limit: number) =>
      Effect.map(
        silent(sql`
          with old as materialized (
            select generation, id from search_documents
            where deleted and written_at < to_timestamp(${before / 1_000}::float8)
            order by written_at limit ${limit} for update skip locked
          )
          delete from search_documents where (generation, id) in (select generation, id from old) returning id`),
        ({ length }) => length
      )
  }
}
