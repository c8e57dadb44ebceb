/** Takes free lanes and the rows that are due in them, in one statement. */
import { Duration, Schema } from "effect"
import type { SqlClient, Statement } from "effect/sql"
import { FieldChange, Operation } from "../../src/domain/Change.ts"
import { EntityId, EntityKind } from "../../src/domain/Entity.ts"
import type { Batch, ClaimOptions, Delivery } from "../../src/outbox/Leases.ts"
import { isOrdered, type Projection } from "../../src/outbox/Projection.ts"
import { formatKnown, hotTable, isAlone, isFresh, isWaiting, micros, wasTried } from "./OutboxTables.ts"
import { provenByFirst } from "./Rows.ts"

const ClaimedRow = Schema.Struct({
  id: Schema.BigInt,
  entity_type: EntityKind,
  entity_id: EntityId,
  entity_version: Schema.Int,
  op: Operation,
  attempts: Schema.Int,
  ready_at: Schema.Number,
  waiting_since: Schema.Number,
  created_at: Schema.Number,
  claimed_at: Schema.Number,
  traceparent: Schema.NullOr(Schema.String),
  tracestate: Schema.NullOr(Schema.String),
  request_id: Schema.NullOr(Schema.String),
  library_id: Schema.NullOr(EntityId),
  actor: Schema.String,
  changes: Schema.NullOr(Schema.Array(FieldChange)),
  reclaimed: Schema.Boolean
})
const asRows = provenByFirst(ClaimedRow)

const toDelivery = (row: typeof ClaimedRow.Encoded): Delivery => ({
  id: Number(row.id),
  kind: row.entity_type,
  entityId: row.entity_id as EntityId,
  version: row.entity_version,
  op: row.op,
  attempt: row.attempts + 1,
  readyAt: row.ready_at,
  waitingSince: row.waiting_since,
  createdAt: row.created_at,
  trace: row.traceparent === null ? null : { traceparent: row.traceparent, tracestate: row.tracestate },
  requestId: row.request_id,
  libraryId: row.library_id as EntityId | null,
  actor: row.actor,
  fields: row.changes ?? [],
  reclaimed: row.reclaimed
})

const returned = `id, entity_type, entity_id, entity_version, op, attempts, traceparent, tracestate, request_id,
  library_id, actor, changes, reclaimed, ${micros("due_at")} as ready_at, ${micros("waiting_since")} as waiting_since,
  ${micros("created_at")} as created_at`

/**
 * Ids are drawn before their rows are committed, so a lower one may appear after a higher one was claimed. A claim
 * looks this far back, which at 10,000 rows a second is a fifth of a second; what is committed later still is found by
 * the sweep.
 */
export const lookBack = 2_000

/** Planned for any value, a comparison is taken to hold for a third of the rows, and then a lane's rows are sorted. */
const constant = (sql: SqlClient.SqlClient, value: number) => sql.literal(String(value))

/** A statement planned once for any limit would be planned for a tenth of the table. */
const literal = (sql: SqlClient.SqlClient, limit: number) => sql.literal(String(Math.max(1, Math.trunc(limit))))

/**
 * In an ordered projection, whether no earlier row of its entity is to be tried before. Rows come back in the order of
 * their due times, and those may have changed sides: by a crash, a release or a replay. `offset 0` keeps it a probe of
 * the index for each row that is taken.
 */
const isNext = (sql: SqlClient.SqlClient, projection: Projection, unless: string) =>
  isOrdered[projection]
    ? sql`and not exists (select from ${sql(hotTable[projection])} as before
        where before.entity_id = due.entity_id and ${sql.literal(wasTried("before"))} and before.id < due.id
          and ${sql.literal(unless)} offset 0)`
    : sql``

/**
 * Of those that were seen, the ones that leave no earlier row of their entity behind: one that is its entity's next may
 * itself hold back a second one, which a third one then would overtake.
 */
const together = (sql: SqlClient.SqlClient, projection: Projection) =>
  sql`, gaps as materialized (
      select entity_id, (select min(left_out.id) from ${sql(hotTable[projection])} as left_out
        where left_out.entity_id = each.entity_id and ${sql.literal(wasTried("left_out"))}
          and left_out.id not in (select id from seen)) as id
      from (select distinct entity_id from seen where ${sql.literal(wasTried("seen"))}) as each
    ), found as materialized (
      select * from seen where not exists (
        select from gaps where gaps.entity_id = seen.entity_id and gaps.id < seen.id and ${
    sql.literal(wasTried("seen"))
  })
    )`

/** What was never tried and waits for earlier rows of its entity is not claimed, but learns until when it waits. */
const dueBefore = (sql: SqlClient.SqlClient, projection: Projection, row: "fresh" | "row") =>
  sql`(select max(before.due_at) from ${sql(hotTable[projection])} as before
    where before.entity_id = ${sql.literal(row)}.entity_id and ${sql.literal(wasTried("before"))})`

/** Of one free lane: first what waited out its delay, then what was never tried, each the oldest first. */
const dueIn = (sql: SqlClient.SqlClient, projection: Projection, limit: number) => {
  const table = sql(hotTable[projection])
  const most = literal(sql, limit)
  const behind = isOrdered[projection] ? dueBefore(sql, projection, "fresh") : sql`null::timestamptz`
  return sql`
    (select *, due.ctid as place, null::timestamptz as behind from ${table} as due
      where due.lane = free.lane and ${sql.literal(`due.${isWaiting}`)} and due.due_at <= (select clock_timestamp())
        and due.format <= ${constant(sql, formatKnown)}
        ${isNext(sql, projection, `(before.${isAlone} or before.due_at > due.due_at)`)}
      order by due.due_at, due.id limit ${most})
    union all
    (select *, fresh.ctid as place, ${behind} as behind from ${table} as fresh
      where fresh.lane = free.lane and fresh.id > free.floor - ${constant(sql, lookBack)} and ${
    sql.literal(`fresh.${isFresh}`)
  }
        and fresh.format <= ${constant(sql, formatKnown)}
      order by fresh.id limit ${most})`
}

/** Only lanes that have something to do are locked, so that a look that finds nothing writes nothing. */
const somethingDue = (sql: SqlClient.SqlClient, projection: Projection) => {
  const table = sql(hotTable[projection])
  return sql`exists (select from ${table} as due
          where due.lane = each.lane and ${
    sql.literal(`due.${isWaiting}`)
  } and due.due_at <= (select clock_timestamp()))
        or exists (select from ${table} as fresh
          where fresh.lane = each.lane and fresh.id > each.floor - ${constant(sql, lookBack)} and ${
    sql.literal(`fresh.${isFresh}`)
  })`
}

const somethingAlone = (sql: SqlClient.SqlClient, projection: Projection) =>
  sql`exists (select from ${sql(hotTable[projection])} as due
          where due.lane = each.lane and ${sql.literal(`due.${isAlone}`)} and due.due_at <= (select clock_timestamp()))`

const aloneIn = (sql: SqlClient.SqlClient, projection: Projection) =>
  sql`
    select *, due.ctid as place, null::timestamptz as behind from ${sql(hotTable[projection])} as due
    where due.lane = free.lane and ${sql.literal(`due.${isAlone}`)} and due.due_at <= (select clock_timestamp())
      and due.format <= ${constant(sql, formatKnown)} ${isNext(sql, projection, "true")}
    order by due.due_at, due.id limit 1`

/**
 * `same` refuses a lane that changed between this statement's snapshot and its lock: the rows seen here would be those
 * from before. `offset 0` keeps the planner from turning it into a join, which would lock lanes that are not needed.
 */
const claiming = (
  sql: SqlClient.SqlClient,
  projection: Projection,
  token: string,
  options: ClaimOptions,
  { rows, something }: { readonly something: Statement.Fragment; readonly rows: Statement.Fragment }
) => {
  const table = sql(hotTable[projection])
  // By their place: a join would be planned as if all of them had to be held back. Nobody moves a row of a lane
  // that is free and locked.
  const heldBack = sql`, held_back as (
      update ${table} as row set ${sql.literal(isWaiting)}, due_at = ${dueBefore(sql, projection, "row")}
      where row.ctid = any(array(select place from found where behind is not null))
    )`
  return sql`
    with free as (
      select lane, epoch, floor from outbox_lanes as each
      where projection = ${projection} and token is null and (${something})
        and not exists (select from outbox_projections where projection = ${projection} and paused_at is not null)
      order by claimed_at, lane for update of each skip locked
    ), ${isOrdered[projection] ? sql`seen` : sql`found`} as materialized (
      select next.* from free
      cross join lateral (select from outbox_lanes as seen
        where seen.projection = ${projection} and seen.lane = free.lane and seen.epoch = free.epoch offset 0) as same
      cross join lateral (${rows}) as next
      limit ${literal(sql, options.limit)}
    )${isOrdered[projection] ? together(sql, projection) : sql``}, mine as materialized (
      select lane, coalesce(array_agg(id) filter (where behind is null), '{}') as ids,
        coalesce(max(id) filter (where ${sql.literal(isFresh)}), 0) as top
      from found group by lane
    ), taken as (
      update outbox_lanes as lane set epoch = epoch + 1, claimed_at = (select clock_timestamp()), ids = mine.ids,
        floor = greatest(floor, mine.top), token = case when mine.ids <> '{}' then ${token}::uuid end,
        worker = ${options.worker},
        lease_until = case when mine.ids <> '{}'
          then (select clock_timestamp()) + ${Duration.toMillis(options.leaseFor)} * interval '1 millisecond' end
      from mine where lane.projection = ${projection} and lane.lane = mine.lane
      returning lane.claimed_at
    )${isOrdered[projection] ? heldBack : sql``}
    select ${sql.literal(returned)}, (select ${sql.literal(micros("min(claimed_at)"))} from taken) as claimed_at
    from found where behind is null`
}

export const claimRows = (
  sql: SqlClient.SqlClient,
  projection: Projection,
  token: string,
  options: ClaimOptions
) =>
  claiming(sql, projection, token, options, {
    something: somethingDue(sql, projection),
    rows: dueIn(sql, projection, options.limit)
  })

export const claimAloneRow = (
  sql: SqlClient.SqlClient,
  projection: Projection,
  token: string,
  options: Omit<ClaimOptions, "limit">
) =>
  claiming(sql, projection, token, { ...options, limit: 1 }, {
    something: somethingAlone(sql, projection),
    rows: aloneIn(sql, projection)
  })

export const toBatch = (
  projection: Projection,
  token: string,
  worker: string,
  rows: ReadonlyArray<unknown>
): Batch => {
  const found = asRows(rows)
  return {
    projection,
    token,
    worker,
    claimedAt: found[0]?.claimed_at ?? 0,
    deliveries: found.map(toDelivery).toSorted((a, b) => a.id - b.id)
  }
}
