/** Which changes an event, a request or a trace is about, and what the entities are by now. */
import { Effect, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { EntityId, EntityKind } from "../../src/domain/Entity.ts"
import type { Asked } from "../../src/explain/Asked.ts"
import { changesMax, type EntityFacts } from "../../src/explain/Facts.ts"
import { Projection } from "../../src/outbox/Projection.ts"
import { doneTable, hotTable, micros } from "./OutboxTables.ts"
import { uuids } from "./Parameters.ts"
import { provenByFirst } from "./Rows.ts"
import { silent } from "./Statement.ts"

const asFound = provenByFirst(Schema.Struct({
  kind: EntityKind,
  id: EntityId,
  version: Schema.NullOr(Schema.Int),
  projection: Schema.NullOr(Projection),
  event: Schema.NullOr(Schema.Number)
}))

export interface Found {
  readonly kind: EntityKind
  readonly id: EntityId
  /** `null`: the newest. */
  readonly version: number | null
  readonly event: { readonly projection: Projection; readonly id: number } | null
}

const toFound = (row: ReturnType<typeof asFound>[number]): Found => ({
  kind: row.kind,
  id: row.id as EntityId,
  version: row.version,
  event: row.projection === null || row.event === null ? null : { projection: row.projection, id: row.event }
})

/** One more than is shown. */
const limit = changesMax + 1

const change = "entity_type as kind, entity_id as id, entity_version as version"
/** What is said in a session changes no entity. */
const isChange = "entity_type <> 'session'"

const byEvent = (projection: Projection) =>
  `select ${change}, '${projection}' as projection, id::float8 as event
    from outbox_lanes as lane cross join lateral (
      select * from ${
    hotTable[projection]
  } as row where row.lane = lane.lane and row.id = $1::bigint and ${isChange}) as row
    where lane.projection = '${projection}'
  union all select ${change}, '${projection}', id::float8 from outbox_dead
    where projection = '${projection}' and id = $1::bigint and ${isChange}
  union all (select ${change}, '${projection}', id::float8 from outbox_done
    where projection = '${projection}' and id = $1::bigint and ${isChange} limit 1)`

const inTable = (table: string, condition: string) =>
  `(select ${change} from ${table} where ${condition} and ${isChange} limit ${limit})`

const distinct = (parts: ReadonlyArray<string>) =>
  `select kind, id, version, null as projection, null::float8 as event
    from (${
    parts.map((part, at) => `select *, ${at} as at from ${part} as part${at}`).join(" union all ")
  }) as found group by kind, id, version order by min(at), id, version limit ${limit}`

const ofRequest = "request_id = $1"
const ofTrace = "substr(traceparent, 4, 32) = $1"

/** Every change has its entry in the chronicle, or a row that is still to bring it there. */
const byRequest = [
  distinct([
    `(select entity_type as kind, entity_id as id, version from chronicle_entries where ${ofRequest} limit ${limit})`,
    inTable(hotTable.chronicle, ofRequest),
    inTable("outbox_dead", ofRequest)
  ])
]

/** Of each lane of search; 8,192 rows in all. */
const frontMax = 256

/**
 * Only search was told of what was sent to the index again, or shows another's new name. While that waits it has no
 * index; new names wait in front, since none is brought to more blocks while 2,000 rows wait.
 */
export const front = `(select ${change} from outbox_lanes as lane cross join lateral (
    select * from ${hotTable.search} as row where row.lane = lane.lane order by row.id limit ${frontMax}) as row
  where lane.projection = 'search' and ${ofTrace} limit ${limit})`

const byTrace = [
  distinct([
    inTable(doneTable.chronicle, ofTrace),
    inTable(hotTable.chronicle, ofTrace),
    inTable("outbox_dead", ofTrace)
  ]),
  distinct([inTable(doneTable.search, ofTrace), front])
]

/** One after the other, until one finds something. */
export const queriesOf = (sql: SqlClient.SqlClient, asked: Asked) => {
  switch (asked.by) {
    case "event":
      return [sql.unsafe(byEvent(asked.projection), [String(asked.id)])]
    case "request_id":
      return byRequest.map((text) => sql.unsafe(text, [asked.value]))
    case "trace_id":
      return byTrace.map((text) => sql.unsafe(text, [asked.value]))
    default:
      return []
  }
}

/**
 * The planner takes a Bloom filter for one that leaves most of its table, and now and then reads a million finished
 * rows instead, or has other processes help, which takes longer to begin than to read.
 */
export const byIndex = `select set_config('enable_seqscan', 'off', true),
  set_config('max_parallel_workers_per_gather', '0', true)`

export const findChanges = Effect.fnUntraced(function*(sql: SqlClient.SqlClient, asked: Asked) {
  const find = Effect.gen(function*() {
    yield* silent(sql.unsafe(byIndex))
    for (const query of queriesOf(sql, asked)) {
      const found = asFound(yield* silent(query)).map(toFound)
      if (found.length > 0) return found
    }
    return []
  })
  return yield* silent(sql.withTransaction(find))
})

const asEntities = provenByFirst(Schema.Struct({
  kind: EntityKind,
  id: EntityId,
  version: Schema.Int,
  revision: Schema.Int,
  removed: Schema.Boolean,
  title: Schema.NullOr(Schema.String),
  changed_at: Schema.Number,
  fan_outs: Schema.Int
}))

const state = "id, version, version + reprojections as revision"
const spreading = (condition: string) =>
  `(select count(*)::int from (select from fan_outs where ${condition} limit 100) as spreading)`

const named = (kind: "tag" | "library", table: string) =>
  `select '${kind}' as kind, ${state}, false as removed, name as title, ${micros("updated_at")} as changed_at,
    ${spreading("entity_id = each.id")} as fan_outs from ${table} as each where id = any($1)`

const entitiesText = `${named("tag", "tags")}
  union all ${named("library", "libraries")}
  union all select 'block', ${state}, false, title, ${micros("updated_at")},
    ${spreading("entity_id = each.library_id or entity_id = any(each.tag_ids)")} from blocks as each where id = any($1)
  union all select kind, ${state}, true, null, ${micros("removed_at")}, 0 from removed_entities where id = any($1)`

export interface Entity extends EntityFacts {
  readonly kind: EntityKind
}

export const findEntities = (sql: SqlClient.SqlClient, ids: ReadonlyArray<EntityId>) =>
  Effect.map(
    silent(sql.unsafe(entitiesText, [uuids(ids)])),
    (rows): ReadonlyMap<EntityId, Entity> =>
      new Map(
        asEntities(rows).map(({ changed_at, fan_outs, id, ...entity }) => [
          id as EntityId,
          { ...entity, changedAt: changed_at, fanOuts: fan_outs }
        ])
      )
  )
