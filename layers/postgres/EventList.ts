/**
 * The rows of the outboxes, newest first, whatever has become of them.
 *
 * The contract's view would sort a whole backlog for one page. So each place that a row can be in is asked for its last
 * rows by id, which all of them have an index for, and the projections are merged by time.
 */
import { Effect, Schema } from "effect"
import type { SqlClient, Statement } from "effect/sql"
import type { Page } from "../../src/domain/Paging.ts"
import { type EventFilter, OutboxEvent } from "../../src/outbox/OutboxReport.ts"
import { Projection } from "../../src/outbox/Projection.ts"
import { cursor } from "./Cursor.ts"
import { hotTable } from "./OutboxTables.ts"
import { statement } from "./Statement.ts"

const Time = Schema.NullOr(Schema.DateTimeUtcFromDate)
const Row = Schema.Struct({
  ...OutboxEvent.fields,
  id: Schema.BigInt,
  next_attempt_at: Time,
  lease_until: Time,
  created_at: Schema.DateTimeUtcFromDate,
  updated_at: Schema.DateTimeUtcFromDate,
  processed_at: Time
})
const decodeRows = Schema.decodeUnknownSync(Schema.Array(Row))

/** The last id seen of each projection. */
const Position = Schema.Struct({
  search: Schema.optionalKey(Schema.Int),
  chronicle: Schema.optionalKey(Schema.Int),
  realtime: Schema.optionalKey(Schema.Int)
}).check(Schema.isMinProperties(1))
type Position = typeof Position.Type
const position = cursor(Position)

const said = `id, entity_type, entity_id, entity_version, op, error_type, error_detail, traceparent, tracestate,
  substr(traceparent, 4, 32) as trace_id, request_id, created_at, updated_at`
const ended =
  "attempts, null::timestamptz as next_attempt_at, null::text as lease_owner, null::timestamptz as lease_until"

interface Asked {
  readonly sql: SqlClient.SqlClient
  readonly projection: Projection
  readonly filter: EventFilter
  readonly before: number | undefined
  readonly limit: number
}

const wanted = ({ before, filter, sql }: Asked) =>
  sql.and([
    before === undefined ? sql`true` : sql`id < ${before}::bigint`,
    ...(filter.entity_id === undefined ? [] : [sql`entity_id = ${filter.entity_id}::uuid`]),
    ...(filter.trace_id === undefined ? [] : [sql`substr(traceparent, 4, 32) = ${filter.trace_id}`]),
    ...(filter.error_type === undefined ? [] : [sql`error_type = ${filter.error_type}`])
  ])

/** `offset 0`: what asks for one entity or trace is found by its own index, not by going through all rows in order. */
const last = (asked: Asked, from: Statement.Fragment) => {
  const { filter, limit, sql } = asked
  const narrow = filter.entity_id !== undefined || filter.trace_id !== undefined
  return narrow
    ? sql`(select * from (select * from ${from} and ${
      wanted(asked)
    } offset 0) as narrow order by id desc limit ${limit})`
    : sql`(select * from ${from} and ${wanted(asked)} order by id desc limit ${limit})`
}

const waiting = (asked: Asked) => {
  const { filter: { status }, projection, sql } = asked
  const inFlight = sql`row.id = any(each.ids)`
  const only = status === undefined ? sql`true` : status === "processing" ? inFlight : sql`not (${inFlight})`
  const rows = last(asked, sql`${sql(hotTable[projection])} as row where row.lane = each.lane and ${only}`)
  const held = sql`rows.id = any(each.ids)`
  return sql`select ${sql.literal(said)}, case when ${held} then 'processing' else 'pending' end as status,
      attempts + (${held})::int as attempts, due_at as next_attempt_at,
      case when ${held} then each.worker end as lease_owner,
      case when ${held} then each.lease_until end as lease_until, null::timestamptz as processed_at
    from outbox_lanes as each cross join lateral ${rows} as rows where each.projection = ${projection}`
}

const finished = (asked: Asked, table: "outbox_done" | "outbox_dead", status: "done" | "dead") => {
  const { projection, sql } = asked
  const rows = last(asked, sql`${sql(table)} where projection = ${projection}`)
  return sql`select ${sql.literal(said)}, ${status}::text as status, ${sql.literal(ended)}, processed_at
    from ${rows} as rows`
}

const ofProjection = (asked: Asked) => {
  const { filter: { status }, limit, projection, sql } = asked
  const parts = [
    ...(status === undefined || status === "pending" || status === "processing" ? [waiting(asked)] : []),
    ...(status === undefined || status === "done" ? [finished(asked, "outbox_done", "done")] : []),
    ...(status === undefined || status === "dead" ? [finished(asked, "outbox_dead", "dead")] : [])
  ]
  const all = parts.reduce((some, part) => sql`${some} union all ${part}`)
  // Ids and times were drawn apart: never later than the row before keeps the order by id through the merge.
  return sql`(select ${projection}::text as projection, *, min(created_at) over (order by id desc) as newest_by
    from (${all}) as rows order by id desc limit ${limit})`
}

const nextPosition = (from: Position, items: ReadonlyArray<OutboxEvent>): Position =>
  Object.assign({}, from, ...items.map(({ id, projection }) => ({ [projection]: id }))) as Position

export const listEvents = Effect.fnUntraced(function*(
  sql: SqlClient.SqlClient,
  filter: EventFilter,
  limit: number,
  after: string | undefined
) {
  const from = (yield* position.decode(after)) ?? {}
  const projections = filter.projection === undefined ? Projection.literals : [filter.projection]
  const parts = projections.map((projection) =>
    ofProjection({ sql, projection, filter, before: from[projection], limit: limit + 1 })
  )
  const union = parts.reduce((all, part) => sql`${all} union all ${part}`)
  const rows = yield* statement(
    "query",
    "outbox",
    sql`select * from (${union}) as found order by newest_by desc, projection desc, id desc limit ${limit + 1}`
  )
  const found = decodeRows(rows).map((row): OutboxEvent => ({ ...row, id: Number(row.id) }))
  const items = found.slice(0, limit)
  return {
    items,
    next_cursor: found.length > limit ? position.encode(nextPosition(from, items)) : null
  } satisfies Page<OutboxEvent>
})
