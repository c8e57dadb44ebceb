/** The entities in PostgreSQL as documents: one statement, so that all names are of one moment. */
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { EntityId, EntityKind } from "../../src/domain/Entity.ts"
import { type IndexEntry, rangeSize } from "../../src/search/IdRange.ts"
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

const asEntries = provenByFirst(Schema.Struct({
  id: EntityId,
  kind: EntityKind,
  version: Schema.Int,
  revision: Schema.Int,
  deleted: Schema.Boolean,
  digest: Schema.Number
}))

const Sums = Schema.Struct({ count: Schema.Int, digest: Schema.Number, revision: Schema.Number, last: Schema.String })
const asSums = provenByFirst(Sums)
const none = { count: 0, digest: 0, revision: 0 }

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

/** The part of a table that a statement is about; cut before names are looked up for it. */
type Part = (table: string) => string

const state = (kind: string, deleted: boolean) =>
  `select ${kind} as kind, each.id, each.version, each.version + each.reprojections as revision, ${deleted} as deleted`

const named = (kind: "tag" | "library", part: Part) =>
  `${state(`'${kind}'`, false)}, name as title, '' as body, null::uuid as library_id, '{}'::uuid[] as tag_ids,
    null::text as library, '{}'::text[] as tags from (${part(kind === "tag" ? "tags" : "libraries")}) as each`

const blocks = (part: Part) =>
  `${state("'block'", false)}, each.title, each.body, each.library_id, each.tag_ids, libraries.name,
    array(select tags.name from unnest(each.tag_ids) with ordinality as tag (id, at) join tags using (id) order by at)
  from (${part("blocks")}) as each join libraries on libraries.id = each.library_id`

const removed = (part: Part) =>
  `${state("kind", true)}, '', '', null, '{}', null, '{}' from (${part("removed_entities")}) as each`

const all = (...parts: ReadonlyArray<string>) => parts.map((each) => `(${each})`).join(" union all ")

const existing = (part: Part) => all(named("tag", part), named("library", part), blocks(part))

const ofIds: Part = (table) => `select * from ${table} where id = any($1)`
const next: Part = (table) => `select * from ${table} where id > $1 order by id limit $2`
const ofRange: Part = (table) => `select * from ${table} where id > $1 and id <= $3 order by id limit $2`

const loadText = all(existing(ofIds), removed(ofIds))
const pageText = `${existing(next)} order by id limit $2`

const digest = `case when deleted then 0
  else wordloom_digest(kind, id, version, title, body, library_id, tag_ids, library, tags) end::float8 as digest`
const entriesIn = (found: string) => `select id, kind, version, revision, deleted, ${digest} from (${found}) as found`
const entriesOfText = entriesIn(loadText)
const entriesText = `${entriesIn(`${existing(ofRange)} order by id limit $2`)} order by id`

/** The collation is the ids' own order. */
const digestsText = `
  select count(*)::integer as count, sum(digest) as digest, sum(revision)::float8 as revision,
    max(id::text collate "C") as last
  from (
    select id, revision, ${digest}, (row_number() over (order by id) - 1) / $3 as part
    from (${pageText}) as found
  ) as numbered
  group by part order by part`

const countText = `select (select count(*) from tags) + (select count(*) from libraries) + (select count(*) from blocks)
  as count`

/** What has a row in the outbox, and the blocks that a new name has not reached yet. */
const underWayText = `
  select entity_id as id from outbox_search where entity_id = any($1)
  union select id from blocks where id = any($1) and exists (
    select from fan_outs where entity_id = library_id or entity_id = any(tag_ids))`

const first = "00000000-0000-0000-0000-000000000000"
const last = "ffffffff-ffff-ffff-ffff-ffffffffffff"

/** A page that is not full is the last one, and its last range open. */
const rangesOf = (after: EntityId | undefined, limit: number, sums: ReadonlyArray<typeof Sums.Type>) => {
  const full = sums.filter(({ count }) => count === rangeSize)
  const parts = full.length === limit ? full : [...full, { ...(sums[full.length] ?? none), last: undefined }]
  return parts.map(({ count, digest, last: to, revision }, at) => ({
    range: { after: at === 0 ? after : parts[at - 1]!.last as EntityId, to: to as EntityId | undefined },
    digest: { count, digest, revision }
  }))
}

export const layer = Layer.effect(
  SearchSource,
  Effect.map(SqlClient.SqlClient, (sql) => {
    const asked = (text: string, values: ReadonlyArray<unknown>) => orUnavailable(silent(sql.unsafe(text, values)))
    const read = (text: string, values: ReadonlyArray<unknown>) =>
      Effect.map(asked(text, values), (rows) => asRows(rows).map(toWrite))
    const entries = (text: string, values: ReadonlyArray<unknown>) =>
      Effect.map(asked(text, values), (rows) => asEntries(rows) as ReadonlyArray<IndexEntry>)
    return SearchSource.of({
      load: (ids) => ids.length === 0 ? Effect.succeed([]) : read(loadText, [uuids(ids)]),
      page: (after, limit) => read(pageText, [after ?? first, limit]),
      count: Effect.map(asked(countText, []), (rows) => Number((rows[0] as { readonly count: bigint }).count)),
      digests: (after, limit) =>
        Effect.map(
          asked(digestsText, [after ?? first, limit * rangeSize, rangeSize]),
          (rows) => rangesOf(after, limit, asSums(rows))
        ),
      entries: ({ after, to }, limit) => entries(entriesText, [after ?? first, limit, to ?? last]),
      entriesOf: (ids) => ids.length === 0 ? Effect.succeed([]) : entries(entriesOfText, [uuids(ids)]),
      underWay: (ids) =>
        Effect.map(asked(underWayText, [uuids(ids)]), (rows) => rows.map((row) => (row as { id: EntityId }).id))
    })
  })
)
