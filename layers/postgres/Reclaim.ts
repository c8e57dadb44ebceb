/** Frees rows whose worker never settled them; the attempts that were lost are recorded by whoever finds them. */
import { Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { crashes, type LostAttempt } from "../../src/outbox/Leases.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import { hotTable, micros, said } from "./OutboxTables.ts"

const LostRow = Schema.Struct({
  id: Schema.BigInt,
  attempts: Schema.Int,
  worker: Schema.String,
  claimed_at: Schema.Number,
  lost_at: Schema.Number,
  traceparent: Schema.NullOr(Schema.String),
  tracestate: Schema.NullOr(Schema.String),
  fate: Schema.Literals(["retried", "alone", "crash_loop", "lease_expired"])
})
const decodeRows = Schema.decodeUnknownSync(Schema.Array(LostRow))

const query = (sql: SqlClient.SqlClient, projection: Projection, attemptsMax: number) => {
  const table = sql(hotTable[projection])
  return sql`
    with expired as materialized (
      select lane, ids, worker, claimed_at from outbox_lanes
      where projection = ${projection} and lease_until < (select clock_timestamp()) and token = (
        select token from outbox_lanes where projection = ${projection} and lease_until < (select clock_timestamp())
        order by lease_until limit 1)
      for update skip locked
    ), lost as materialized (
      select row.*, row.attempts + 1 as attempt, expired.worker, expired.claimed_at,
        case when row.crashes + 1 >= ${crashes.deadAt} then 'crash_loop'
          when row.attempts + 1 >= ${attemptsMax} then 'lease_expired'
          when row.crashes + 1 >= ${crashes.aloneAt} then 'alone' else 'retried' end as fate
      from expired join ${table} as row on row.lane = expired.lane and row.id = any(expired.ids)
    ), freed as (
      update outbox_lanes as lane set epoch = epoch + 1, ids = '{}', token = null, lease_until = null
      from expired where lane.projection = ${projection} and lane.lane = expired.lane
    ), noted as (
      insert into outbox_past_attempts (projection, event_id, attempt, worker, claimed_at, result, outcome, error_type,
        traceparent)
      select ${projection}, id, attempt, worker, claimed_at, 'failed', 'lease_lost', 'lease_expired', traceparent
      from lost
    ), back as (
      update ${table} as row set state = case when fate = 'alone' then 2 else 1 end, attempts = attempt,
        crashes = row.crashes + 1, reclaimed = true, due_at = (select clock_timestamp()),
        waiting_since = (select clock_timestamp()), updated_at = clock_timestamp(), error_type = 'lease_expired',
        error_detail = null
      from lost where row.lane = lost.lane and row.id = lost.id and fate in ('retried', 'alone')
    ), gone as (
      delete from ${table} as row using lost
      where row.lane = lost.lane and row.id = lost.id and fate in ('crash_loop', 'lease_expired')
    ), buried as (
      insert into outbox_dead (projection, id, claimed_at, attempts, error_type, error_detail, ${sql.literal(said)})
      select ${projection}, id, claimed_at, attempt, fate, 'its last worker never settled it', ${sql.literal(said)}
      from lost where fate in ('crash_loop', 'lease_expired')
    )
    select id, attempt as attempts, worker, traceparent, tracestate, fate,
      ${sql.literal(micros("claimed_at"))} as claimed_at, ${sql.literal(micros("clock_timestamp()"))} as lost_at
    from lost`
}

const decode = (rows: ReadonlyArray<unknown>): ReadonlyArray<LostAttempt> =>
  decodeRows(rows).map((row) => ({
    id: Number(row.id),
    attempt: row.attempts,
    worker: row.worker,
    claimedAt: row.claimed_at,
    lostAt: row.lost_at,
    trace: row.traceparent === null ? null : { traceparent: row.traceparent, tracestate: row.tracestate },
    fate: row.fate
  }))

export const reclaimed = { query, decode }
