/** The rows of some entities, wherever they are by now, and what is asked of those that matter. */
import { Effect, Schema } from "effect"
import type { SqlClient, Statement } from "effect/sql"
import { Operation } from "../../src/domain/Change.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import {
  aheadMax,
  type AttemptFacts,
  attemptsMax,
  type RowDetails,
  type RowFacts,
  rowsMax
} from "../../src/explain/Facts.ts"
import { isOrdered, Projection } from "../../src/outbox/Projection.ts"
import { lookBack } from "./Claim.ts"
import { doneTable, hotTable, micros, timeOf, wasTried } from "./OutboxTables.ts"
import { bigints, integers, uuids } from "./Parameters.ts"
import { provenByFirst } from "./Rows.ts"
import { silent } from "./Statement.ts"

const MaybeNumber = Schema.NullOr(Schema.Number)
const MaybeText = Schema.NullOr(Schema.String)

const Row = Schema.Struct({
  at: Schema.Int,
  entity_id: EntityId,
  projection: Projection,
  id: Schema.Number,
  version: Schema.Int,
  op: Operation,
  state: Schema.Literals(["fresh", "waiting", "alone", "done", "dead"]),
  attempts: Schema.Int,
  due_at: MaybeNumber,
  waiting_since: MaybeNumber,
  reclaimed: Schema.Boolean,
  worker: MaybeText,
  claimed_at: MaybeNumber,
  lease_until: MaybeNumber,
  mine: Schema.Boolean,
  error_type: MaybeText,
  error_detail: MaybeText,
  trace_id: MaybeText,
  request_id: MaybeText,
  created_at: Schema.Number,
  updated_at: Schema.Number,
  processed_at: MaybeNumber
})
const asRows = provenByFirst(Row)
type Row = ReturnType<typeof asRows>[number]

const toFacts = (row: Row): RowFacts => {
  const claim = row.worker === null || row.claimed_at === null || row.lease_until === null
    ? null
    : { worker: row.worker, claimedAt: row.claimed_at, until: row.lease_until }
  return {
    projection: row.projection,
    id: row.id,
    version: row.version,
    op: row.op,
    state: row.state,
    attempts: row.attempts,
    dueAt: row.due_at,
    waitingSince: row.waiting_since,
    reclaimed: row.reclaimed,
    claim: row.mine ? claim : null,
    laneClaim: row.mine ? null : claim,
    errorType: row.error_type,
    detail: row.error_detail,
    traceId: row.trace_id,
    requestId: row.request_id,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    processedAt: row.processed_at
  }
}

const said = (from: string) =>
  `${from}.entity_id, ${from}.id::float8 as id, ${from}.entity_version as version, ${from}.op, ${from}.attempts,
    ${from}.error_type, ${from}.error_detail, substr(${from}.traceparent, 4, 32) as trace_id, ${from}.request_id,
    ${micros(`${from}.created_at`)} as created_at, ${micros(`${from}.updated_at`)} as updated_at`

const none = "null::float8"
const nobody = `null::text as worker, ${none} as claimed_at, ${none} as lease_until, false as mine`

/** The wanted one, those of the wanted version and the newest, whatever else its entity has. */
const first = (key: string) =>
  `order by (${key}.id = asked.event) is true desc, (${key}.entity_version = asked.version) desc, ${key}.id desc
    limit ${rowsMax}`

/** `offset 0`: what belongs to one entity is found by its own index, not by going through all rows in order. */
const waiting = (projection: Projection) =>
  `(select '${projection}' as projection, ${said("row")},
      case row.state when 0 then 'fresh' when 1 then 'waiting' else 'alone' end as state, row.reclaimed,
      ${micros("row.due_at")} as due_at, ${micros("row.waiting_since")} as waiting_since, ${none} as processed_at,
      case when lane.token is not null then lane.worker end as worker,
      case when lane.token is not null then ${micros("lane.claimed_at")} end as claimed_at,
      ${micros("lane.lease_until")} as lease_until, row.id = any(lane.ids) as mine
    from (select * from ${hotTable[projection]} where entity_id = asked.id offset 0) as row
    join outbox_lanes as lane on lane.projection = '${projection}' and lane.lane = row.lane ${first("row")})`

const finished = (projection: Projection, table: string, state: "done" | "dead") =>
  `(select '${projection}' as projection, ${said("row")}, '${state}' as state, false as reclaimed, ${none} as due_at,
      ${none} as waiting_since, ${micros("row.processed_at")} as processed_at, ${nobody}
    from (select * from ${table} where entity_id = asked.id and projection = '${projection}' offset 0) as row
    ${first("row")})`

const parts = Projection.literals.flatMap((projection) => [
  waiting(projection),
  finished(projection, doneTable[projection], "done"),
  finished(projection, "outbox_dead", "dead")
])

/** All places in one statement: a row that moves meanwhile is seen in one of them. */
const rowsText = `select asked.at::integer as at, rows.* from unnest($1::uuid[], $2::integer[], $3::bigint[])
    with ordinality as asked (id, version, event, at)
  cross join lateral (${parts.map((part) => `select * from ${part} as part`).join(" union all ")}) as rows
  order by asked.at, rows.id desc`

export interface Wanted {
  readonly id: EntityId
  readonly version: number
  readonly event: number | null
}

/** One list for each wanted entity, in their order; every row's own projection. */
export const rowsOf = (sql: SqlClient.SqlClient, wanted: ReadonlyArray<Wanted>) =>
  sql.unsafe(rowsText, [
    uuids(wanted.map(({ id }) => id)),
    integers(wanted.map(({ version }) => version)),
    bigints(wanted.map(({ event }) => event ?? 0))
  ])

export const lookUpRows = (sql: SqlClient.SqlClient, wanted: ReadonlyArray<Wanted>) =>
  Effect.map(silent(rowsOf(sql, wanted)), (rows) => {
    const found = asRows(rows)
    return wanted.map((_, at) => found.filter((row) => row.at === at + 1).map(toFacts))
  })

const asAttempts = provenByFirst(Schema.Struct({
  attempt: Schema.Int,
  worker: Schema.String,
  claimed_at: Schema.Number,
  ended_at: Schema.Number,
  outcome: Schema.String,
  error_type: MaybeText,
  error_detail: MaybeText,
  due_at: MaybeNumber,
  load_ms: MaybeNumber,
  engine_ms: MaybeNumber
}))

export const pastAttempts = (sql: SqlClient.SqlClient, { id, projection }: RowFacts) => {
  const times = sql.literal(`load_ms::float8 as load_ms, engine_ms::float8 as engine_ms`)
  const [claimed, ended] = [sql.literal(micros("claimed_at")), (column: string) => sql.literal(micros(column))]
  return sql`
    select attempt, worker, ${claimed} as claimed_at, ${ended("ended_at")} as ended_at, outcome, error_type,
      error_detail, ${ended("due_at")} as due_at, ${times}
    from (select * from outbox_past_attempts where projection = ${projection} and event_id = ${id}::bigint
      order by ended_at desc limit ${attemptsMax}) as past
    union all
    select attempts, lease_owner, ${claimed}, ${ended("processed_at")}, outcome, null, null, null, ${times}
    from ${sql(doneTable[projection])} where id = ${id}::bigint
    order by ended_at`
}

const attemptsOf = (sql: SqlClient.SqlClient, row: RowFacts) =>
  Effect.map(silent(pastAttempts(sql, row)), (rows) =>
    asAttempts(rows).map((each): AttemptFacts => ({
      attempt: each.attempt,
      worker: each.worker,
      claimedAt: each.claimed_at,
      endedAt: each.ended_at,
      outcome: each.outcome,
      errorType: each.error_type,
      detail: each.error_detail,
      dueAt: each.due_at,
      loadMs: each.load_ms,
      engineMs: each.engine_ms
    })))

/** Rows below the floors were claimed before; of those that were tried the ones that are due come first. */
export const aheadOf = (sql: SqlClient.SqlClient, { id, projection }: RowFacts) => {
  const hot = sql(hotTable[projection])
  const lanes = sql`outbox_lanes as lane where lane.projection = ${projection}`
  return sql<{ readonly ahead: number }>`
    select least(${aheadMax + 1}, (select count(*) from (
        select from outbox_lanes as lane cross join lateral (
          select from ${hot} as row where row.lane = lane.lane and row.id > lane.floor - ${
    sql.literal(String(lookBack))
  }
            and row.id < ${id}::bigint and row.state = 0 limit ${aheadMax + 1}
        ) as each where lane.projection = ${projection} limit ${aheadMax + 1}) as fresh)
      + (select count(*) from (
        select from (select lane from ${lanes}) as lane cross join lateral (
          select from ${hot} as due where due.lane = lane.lane and due.state = 1
            and due.due_at <= (select clock_timestamp()) and due.id <> ${id}::bigint limit ${aheadMax + 1}
        ) as each limit ${aheadMax + 1}) as tried))::int as ahead`
}

/** Of the rows right before a finished one; a queue that reaches further back is counted to its bound. */
const near = 1_000

/** What was written before it and finished after it had been written. */
export const aheadThen = (sql: SqlClient.SqlClient, { createdAt, id, projection }: RowFacts) => {
  const [done, at] = [sql(doneTable[projection]), timeOf(sql, createdAt)]
  return sql<{ readonly ahead: number }>`
    select count(*)::int as ahead from ${done} where id < ${id}::bigint and processed_at > ${at}
      and id >= case when exists (
          select from ${done} where id between ${id - near}::bigint and ${
    id - near + 100
  }::bigint and processed_at > ${at}
        ) then ${id - aheadMax}::bigint else ${id - near}::bigint end`
}

export const earlierThan = (sql: SqlClient.SqlClient, { id, projection }: RowFacts, entity: EntityId) =>
  sql<{ readonly id: number; readonly version: number; readonly due: number }>`
    select id::float8 as id, entity_version as version, ${sql.literal(micros("due_at"))} as due
    from ${sql(hotTable[projection])} as row
    where row.entity_id = ${entity}::uuid and ${sql.literal(wasTried("row"))} and row.id < ${id}::bigint
    order by row.id limit 1`

const first1 = <A>(statement: Statement.Statement<A>) => Effect.map(silent(statement), ([row]) => row)

export const detailsOf = Effect.fnUntraced(function*(sql: SqlClient.SqlClient, row: RowFacts, entity: EntityId) {
  const isHot = row.state !== "done" && row.state !== "dead"
  const attempts = yield* attemptsOf(sql, row)
  const ahead = isHot
    ? row.claim === null ? yield* first1(aheadOf(sql, row)) : undefined
    : row.state === "done"
    ? yield* first1(aheadThen(sql, row))
    : undefined
  const earlier = isHot && isOrdered[row.projection] ? yield* first1(earlierThan(sql, row, entity)) : undefined
  return {
    attempts,
    ahead: ahead?.ahead ?? 0,
    earlier: earlier === undefined ? null : { id: earlier.id, version: earlier.version, dueAt: earlier.due }
  } satisfies RowDetails
})
