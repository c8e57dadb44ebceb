/** The entities in PostgreSQL as documents: one statement, so that all names are of one moment. */
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { EntityId, EntityKind } from "../../src/domain/Entity.ts"
import type { IndexWrite } from "../../src/search/SearchDocument.ts"
import { SearchSource } from "../../src/search/SearchSource.ts"
import { uuids } from "./Parameters.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { provenByFirst } from "./Rows.ts"
import { silent } from "./Statement.ts"

const asRows = provenByFirst(Schema.Struct({
  kind: EntityKind,
  id: EntityId,
  version: Schema.Int,
  revision: Schema.Int,
  deleted: Schema.Boolean,
  title: Schema.String,
  body: Schema.String,
  library_id: Schema.NullOr(EntityId),
  tag_ids: Schema.Array(EntityId),
  library: Schema.NullOr(Schema.String),
  tags: Schema.Array(Schema.String)
}))

const toWrite = (row: ReturnType<typeof asRows>[number]): IndexWrite => {
  const { body, deleted, id, kind, library, library_id, revision, tag_ids, tags, title, version } = row
  return {
    kind,
    id: id as EntityId,
    version,
    revision,
    document: deleted
      ? null
      : { title, body, library_id: library_id as EntityId | null, tag_ids: tag_ids as Array<EntityId>, library, tags }
  }
}

const state = (kind: string, deleted: boolean) =>
  `select ${kind} as kind, each.id, each.version, each.version + each.reprojections as revision, ${deleted} as deleted`

const named = (kind: "tag" | "library") =>
  `${state(`'${kind}'`, false)}, name as title, '' as body, null::uuid as library_id, '{}'::uuid[] as tag_ids,
    null::text as library, '{}'::text[] as tags from ${kind === "tag" ? "tags" : "libraries"} as each`

const blocks = `${state("'block'", false)}, each.title, each.body, each.library_id, each.tag_ids, libraries.name,
    array(select tags.name from unnest(each.tag_ids) with ordinality as tag (id, at) join tags using (id) order by at)
  from blocks as each join libraries on libraries.id = each.library_id`

const removed = `${state("kind", true)}, '', '', null, '{}', null, '{}' from removed_entities as each`

const existing = [named("tag"), named("library"), blocks]

const loadText = [...existing, removed].map((each) => `(${each} where each.id = any($1))`).join(" union all ")

const pageText = `${
  existing.map((each) => `(${each} where each.id > $1 order by each.id limit $2)`).join(" union all ")
} order by id limit $2`

const countText = `select (select count(*) from tags) + (select count(*) from libraries) + (select count(*) from blocks)
  as count`

const first = "00000000-0000-0000-0000-000000000000"

export const layer = Layer.effect(
  SearchSource,
  Effect.map(SqlClient.SqlClient, (sql) => {
    const read = (text: string, values: ReadonlyArray<unknown>) =>
      orUnavailable(Effect.map(silent(sql.unsafe(text, values)), (rows) => asRows(rows).map(toWrite)))
    return SearchSource.of({
      load: (ids) => ids.length === 0 ? Effect.succeed([]) : read(loadText, [uuids(ids)]),
      page: (after, limit) => read(pageText, [after ?? first, limit]),
      count: orUnavailable(Effect.map(
        silent(sql.unsafe<{ readonly count: bigint }>(countText)),
        ([row]) => Number(row!.count)
      ))
    })
  })
)
