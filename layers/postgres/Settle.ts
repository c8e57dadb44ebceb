/**
 * Settles claimed rows, each kind of outcome in one statement.
 *
 * Every statement begins by locking the claim's lanes, if the claim still has them: that lock is the fence. No lane, no
 * rows, and whoever holds the lane meanwhile is not disturbed.
 */
import type { SqlClient } from "effect/sql"
import type { Batch, Settlement, Spent } from "../../src/outbox/Leases.ts"
import { isOrdered } from "../../src/outbox/Projection.ts"
import { doneTable, hotTable, isWaiting, said, wasTried } from "./OutboxTables.ts"
import { bigints, floats, texts } from "./Parameters.ts"

export type Of<T extends Settlement["_tag"]> = Settlement & { readonly _tag: T }

const idsOf = (settled: ReadonlyArray<Settlement>) => bigints(settled.map(({ id }) => id))

/** Counting would not do: a row may be named twice, and then another one is not. */
const isWhole = ({ deliveries }: Batch, settled: ReadonlyArray<Settlement>) => {
  if (settled.length < deliveries.length) return false
  const ids = new Set(settled.map(({ id }) => id))
  return deliveries.every(({ id }) => ids.has(id))
}

/** All of them in one answer: a row for each would take as long to read as the statement takes. */
export interface Settled {
  readonly ids: ReadonlyArray<bigint> | null
}

/** `mine`: the claim's lanes with what is in flight in them; `freed`: the same without what this statement settles. */
const fenced = (
  sql: SqlClient.SqlClient,
  batch: Batch,
  settled: ReadonlyArray<Settlement>,
  whole = isWhole(batch, settled)
) => {
  const left = whole
    ? sql`'{}'::bigint[]`
    : sql`array(select unnest(ids) except select unnest(${idsOf(settled)}))`
  return sql`mine as materialized (
      select lane, ids, worker, claimed_at from outbox_lanes
      where projection = ${batch.projection} and token = ${batch.token}::uuid and lease_until > clock_timestamp()
      order by lane for update
    ), after as materialized (select lane, ${left} as ids from mine
    ), freed as (
      update outbox_lanes as lane set epoch = epoch + 1, ids = after.ids,
        token = case when after.ids <> '{}' then token end,
        lease_until = case when after.ids <> '{}' then lease_until end
      from after where lane.projection = ${batch.projection} and lane.lane = after.lane
    )`
}

/** The settled rows that are in flight in one of the claim's lanes. */
const row = (sql: SqlClient.SqlClient) => sql`row.lane = mine.lane and row.id = failed.id and row.id = any(mine.ids)`

/** The same for each row of the batch, whatever became of it. */
const times = (sql: SqlClient.SqlClient, spent: Spent | undefined) =>
  sql`${spent?.loadMs ?? null}::real, ${spent?.engineMs ?? null}::real`

export const done = (
  sql: SqlClient.SqlClient,
  batch: Batch,
  settled: ReadonlyArray<Of<"Done">>,
  spent?: Spent
) => {
  const superseded = settled.filter(({ outcome }) => outcome === "superseded")
  const outcome = superseded.length === 0
    ? sql`'acked'`
    : sql`case when id = any(${idsOf(superseded)}) then 'superseded' else 'acked' end`
  const whole = isWhole(batch, settled)
  const part = whole ? sql`` : sql`and row.id = any(${idsOf(settled)})`
  return sql<Settled>`
    with ${fenced(sql, batch, settled, whole)}, gone as (
      delete from ${sql(hotTable[batch.projection])} as row using mine
      where row.lane = mine.lane and row.id = any(mine.ids) ${part}
      returning id, attempts, ${sql.literal(said)}, mine.worker, mine.claimed_at
    ), kept as (
      insert into ${sql(doneTable[batch.projection])} (projection, id, outcome, claimed_at, attempts, lease_owner,
        load_ms, engine_ms, ${sql.literal(said)})
      select ${batch.projection}, id, ${outcome}, claimed_at, attempts + 1, worker, ${times(sql, spent)},
        ${sql.literal(said)} from gone
      returning id
    )
    select array_agg(id) as ids from kept`
}

const pastAttempt = `outbox_past_attempts (projection, event_id, attempt, worker, claimed_at, result, outcome,
  error_type, error_detail, traceparent, due_at, load_ms, engine_ms)`

export const retry = (
  sql: SqlClient.SqlClient,
  batch: Batch,
  settled: ReadonlyArray<Of<"Retry">>,
  spent?: Spent
) =>
  sql<Settled>`
    with ${fenced(sql, batch, settled)}, failed as (
      select * from unnest(${idsOf(settled)}, ${floats(settled.map(({ delayMs }) => delayMs))},
        ${texts(settled.map(({ errorType }) => errorType))}, ${texts(settled.map(({ detail }) => detail))})
        as each (id, delay, type, detail)
    ), back as (
      update ${sql(hotTable[batch.projection])} as row
      set ${sql.literal(isWaiting)}, attempts = attempts + 1, crashes = 0, reclaimed = false,
        due_at = ${later(sql)}, waiting_since = (select clock_timestamp()), updated_at = clock_timestamp(),
        error_type = failed.type, error_detail = failed.detail
      from mine, failed where ${row(sql)}
      returning row.*, mine.worker, mine.claimed_at
    )${behind(sql, batch)}
    , noted as (
      insert into ${sql.literal(pastAttempt)}
      select ${batch.projection}, id, attempts, worker, claimed_at, 'failed', 'retry_scheduled', error_type,
        error_detail, traceparent, due_at, ${times(sql, spent)} from back
    )
    select array_agg(id) as ids from back`

/** One clock for the whole statement: rows of one entity that wait equally long come back in their order. */
const later = (sql: SqlClient.SqlClient) => sql`(select clock_timestamp()) + failed.delay * interval '1 millisecond'`

/** In an ordered projection the later rows of a failed one's entity must not become due before it. */
const behind = (sql: SqlClient.SqlClient, batch: Batch) =>
  isOrdered[batch.projection]
    ? sql`, behind as (
      update ${sql(hotTable[batch.projection])} as later set due_at = failed.due_at
      from (select entity_id, max(id) as id, max(due_at) as due_at from back group by entity_id) as failed
      where later.entity_id = failed.entity_id and ${sql.literal(wasTried("later"))} and later.id > failed.id
        and later.due_at < failed.due_at and later.id <> all(array(select id from back))
    )`
    : sql``

export const dead = (
  sql: SqlClient.SqlClient,
  batch: Batch,
  settled: ReadonlyArray<Of<"Dead">>,
  spent?: Spent
) =>
  sql<Settled>`
    with ${fenced(sql, batch, settled)}, failed as (
      select * from unnest(${idsOf(settled)}, ${texts(settled.map(({ errorType }) => errorType))},
        ${texts(settled.map(({ detail }) => detail))}) as each (id, type, detail)
    ), gone as (
      delete from ${sql(hotTable[batch.projection])} as row using mine, failed where ${row(sql)}
      returning row.*, mine.worker, mine.claimed_at, failed.type, failed.detail
    ), noted as (
      insert into ${sql.literal(pastAttempt)}
      select ${batch.projection}, id, attempts + 1, worker, claimed_at, 'failed', 'dead_lettered', type, detail,
        traceparent, null, ${times(sql, spent)} from gone
    ), buried as (
      insert into outbox_dead (projection, id, claimed_at, attempts, error_type, error_detail, ${sql.literal(said)})
      select ${batch.projection}, id, claimed_at, attempts + 1, type, detail, ${sql.literal(said)} from gone
    )
    select array_agg(id) as ids from gone`

export const release = (sql: SqlClient.SqlClient, batch: Batch, settled: ReadonlyArray<Of<"Release">>) =>
  sql<Settled>`
    with ${fenced(sql, batch, settled)}, failed as (
      select * from unnest(${idsOf(settled)}, ${floats(settled.map(({ delayMs }) => delayMs))},
        ${texts(settled.map(({ why }) => why?.errorType ?? null))},
        ${texts(settled.map(({ why }) => why?.detail ?? null))}) as each (id, delay, type, detail)
    ), back as (
      update ${sql(hotTable[batch.projection])} as row
      set state = greatest(row.state, 1), due_at = ${later(sql)}, waiting_since = (select clock_timestamp()),
        updated_at = clock_timestamp(), error_type = coalesce(failed.type, row.error_type),
        error_detail = case when failed.type is null then row.error_detail else failed.detail end
      from mine, failed where ${row(sql)}
      returning row.*
    )${behind(sql, batch)}
    select array_agg(id) as ids from back`
