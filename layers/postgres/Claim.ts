/** Takes free lanes and the rows that are due in them, in one statement. */
import { Duration, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { FieldChange, Operation, Subject } from "../../src/domain/Change.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import type { Batch, ClaimOptions, Delivery } from "../../src/outbox/Leases.ts"
import { isOrdered, type Projection } from "../../src/outbox/Projection.ts"
import { formatKnown, hotTable, isAlone, isFresh, isWaiting, micros, wasTried } from "./OutboxTables.ts"
import { provenByFirst } from "./Rows.ts"

const ClaimedRow = Schema.Struct({
  id: Schema.BigInt,
  entity_type: Subject,
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

/**
 * Every number stands in the text: planned for any value, a bound or a limit is taken to concern a part of the table.
 */
interface Wanted {
  readonly projection: Projection
  readonly limit: number
}

/**
 * In an ordered projection, whether no earlier row of its entity is to be tried before. Rows come back in the order of
 * their due times, and those may have changed sides: by a crash, a release or a replay. `offset 0` keeps it a probe of
 * the index for each row that is taken.
 */
const isNext = ({ projection }: Wanted, unless: string) =>
  isOrdered[projection]
    ? `and not exists (select from ${hotTable[projection]} as before
        where before.entity_id = due.entity_id and ${wasTried("before")} and before.id < due.id
          and ${unless} offset 0)`
    : ""

/**
 * Of those that were seen, the ones that leave no earlier row of their entity behind: one that is its entity's next may
 * itself hold back a second one, which a third one then would overtake.
 */
const together = ({ projection }: Wanted) =>
  `, gaps as materialized (
      select entity_id, (select min(left_out.id) from ${hotTable[projection]} as left_out
        where left_out.entity_id = each.entity_id and ${wasTried("left_out")}
          and left_out.id not in (select id from seen)) as id
      from (select distinct entity_id from seen where ${wasTried("seen")}) as each
    ), found as materialized (
      select * from seen where not exists (
        select from gaps where gaps.entity_id = seen.entity_id and gaps.id < seen.id and ${wasTried("seen")})
    )`

/** What was never tried and waits for earlier rows of its entity is not claimed, but learns until when it waits. */
const dueBefore = ({ projection }: Wanted, row: "fresh" | "row") =>
  `(select max(before.due_at) from ${hotTable[projection]} as before
    where before.entity_id = ${row}.entity_id and ${wasTried("before")})`

const isDue = (lane: "each" | "free") =>
  `due.lane = ${lane}.lane and due.${isWaiting} and due.due_at <= (select clock_timestamp())`
const isDueAlone = (lane: "each" | "free") =>
  `due.lane = ${lane}.lane and due.${isAlone} and due.due_at <= (select clock_timestamp())`
const isUntried = (lane: "each" | "free") =>
  `fresh.lane = ${lane}.lane and fresh.id > ${lane}.floor - ${lookBack} and fresh.${isFresh}`

/** Of one free lane: first what waited out its delay, then what was never tried, each the oldest first. */
const dueIn = (wanted: Wanted) => {
  const { limit, projection } = wanted
  const table = hotTable[projection]
  return `
    (select *, due.ctid as place, null::timestamptz as behind from ${table} as due
      where ${isDue("free")} and due.format <= ${formatKnown}
        ${isNext(wanted, `(before.${isAlone} or before.due_at > due.due_at)`)}
      order by due.due_at, due.id limit ${limit})
    union all
    (select *, fresh.ctid as place, ${
    isOrdered[projection] ? dueBefore(wanted, "fresh") : "null::timestamptz"
  } as behind
      from ${table} as fresh where ${isUntried("free")} and fresh.format <= ${formatKnown}
      order by fresh.id limit ${limit})`
}

/** Only lanes that have something to do are locked, so that a look that finds nothing writes nothing. */
const somethingDue = ({ projection }: Wanted) =>
  `exists (select from ${hotTable[projection]} as due where ${isDue("each")})
        or exists (select from ${hotTable[projection]} as fresh where ${isUntried("each")})`

const isFree = (projection: Projection) =>
  `projection = '${projection}' and token is null
        and not exists (select from outbox_projections where projection = '${projection}' and paused_at is not null)`

const somethingAlone = ({ projection }: Wanted) =>
  `exists (select from ${hotTable[projection]} as due where ${isDueAlone("each")})`

const aloneIn = (wanted: Wanted) => `
    select *, due.ctid as place, null::timestamptz as behind from ${hotTable[wanted.projection]} as due
    where ${isDueAlone("free")} and due.format <= ${formatKnown} ${isNext(wanted, "true")}
    order by due.due_at, due.id limit 1`

/** By their place: a join would be planned as if all were held back. Nobody moves a row of a lane that is locked. */
const heldBack = (wanted: Wanted) =>
  `, held_back as (
      update ${hotTable[wanted.projection]} as row set ${isWaiting}, due_at = ${dueBefore(wanted, "row")}
      where row.ctid = any(array(select place from found where behind is not null))
    )`

/**
 * `same` refuses a lane that changed between this statement's snapshot and its lock: the rows seen here would be those
 * from before. `offset 0` keeps the planner from turning it into a join, which would lock lanes that are not needed.
 */
const textOf = (wanted: Wanted, something: string, rows: string) => {
  const { limit, projection } = wanted
  const ordered = isOrdered[projection]
  return `
    with free as (
      select lane, epoch, floor from outbox_lanes as each
      where ${isFree(projection)} and (${something})
      order by claimed_at, lane for update of each skip locked
    ), ${ordered ? "seen" : "found"} as materialized (
      select next.* from free
      cross join lateral (select from outbox_lanes as seen
        where seen.projection = '${projection}' and seen.lane = free.lane and seen.epoch = free.epoch offset 0) as same
      cross join lateral (${rows}) as next
      limit ${limit}
    )${ordered ? together(wanted) : ""}, mine as materialized (
      select lane, coalesce(array_agg(id) filter (where behind is null), '{}') as ids,
        coalesce(max(id) filter (where ${isFresh}), 0) as top
      from found group by lane
    ), taken as (
      update outbox_lanes as lane set epoch = epoch + 1, claimed_at = (select clock_timestamp()), ids = mine.ids,
        floor = greatest(floor, mine.top), token = case when mine.ids <> '{}' then $1::uuid end, worker = $2::text,
        lease_until = case when mine.ids <> '{}'
          then (select clock_timestamp()) + $3::float8 * interval '1 millisecond' end
      from mine where lane.projection = '${projection}' and lane.lane = mine.lane
      returning lane.claimed_at
    )${ordered ? heldBack(wanted) : ""}
    select ${returned}, (select ${micros("min(claimed_at)")} from taken) as claimed_at
    from found where behind is null`
}

/**
 * Putting a text together takes longer than PostgreSQL needs to see that nothing is due. As many as a valve has sizes.
 */
const texts = new Map<string, string>()

const kept = (key: string, make: () => string): string => {
  const known = texts.get(key) ?? make()
  texts.set(key, known)
  return known
}

type Options = Omit<ClaimOptions, "limit">

const values = (token: string, { leaseFor, worker }: Options) => [token, worker, Duration.toMillis(leaseFor)]

export const claimRows = (sql: SqlClient.SqlClient, projection: Projection, token: string, options: ClaimOptions) => {
  const wanted = { projection, limit: Math.max(1, Math.trunc(options.limit)) }
  const text = kept(`${projection} ${wanted.limit}`, () => textOf(wanted, somethingDue(wanted), dueIn(wanted)))
  return sql.unsafe(text, values(token, options))
}

/** A row if `claimAloneRow` would find a lane with one. */
export const hasAloneRow = (sql: SqlClient.SqlClient, projection: Projection) =>
  sql.unsafe(
    `select from outbox_lanes as each where ${isFree(projection)}
      and ${somethingAlone({ projection, limit: 1 })} limit 1`
  )

export const claimAloneRow = (sql: SqlClient.SqlClient, projection: Projection, token: string, options: Options) => {
  const wanted = { projection, limit: 1 }
  const text = kept(`${projection} alone`, () => textOf(wanted, somethingAlone(wanted), aloneIn(wanted)))
  return sql.unsafe(text, values(token, options))
}

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
