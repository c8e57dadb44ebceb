/** Frees rows whose worker never settled them; the attempts that were lost are recorded by whoever finds them. */
import { Schema } from "effect"
import type { SqlClient } from "effect/sql"
import type { LostAttempt } from "../../src/outbox/Leases.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import { hotTable, micros, said } from "./OutboxTables.ts"

const LostRow = Schema.Struct({
  id: Schema.BigInt,
  attempts: Schema.Int,
  lease_owner: Schema.String,
  claimed_at: Schema.Number,
  lost_at: Schema.Number,
  traceparent: Schema.NullOr(Schema.String),
  tracestate: Schema.NullOr(Schema.String),
  dead: Schema.Boolean
})
const decodeRows = Schema.decodeUnknownSync(Schema.Array(LostRow))

const query = (
  sql: SqlClient.SqlClient,
  projection: Projection,
  { attemptsMax, limit }: { readonly limit: number; readonly attemptsMax: number }
) => {
  const table = sql(hotTable[projection])
  return sql`
    with lost as materialized (
      select * from ${table} where state = 2 and lease_until < (select clock_timestamp())
      order by lease_until limit ${limit} for update skip locked
    ), noted as (
      insert into outbox_past_attempts (projection, event_id, attempt, worker, claimed_at, result, outcome, error_type,
        traceparent)
      select ${projection}, id, attempts, lease_owner, claimed_at, 'failed', 'lease_lost', 'lease_expired', traceparent
      from lost
    ), freed as (
      update ${table} set state = 0, reclaimed = true, due_at = clock_timestamp(), waiting_since = clock_timestamp(),
        lease_token = null, lease_owner = null, lease_until = null, updated_at = clock_timestamp(),
        error_type = 'lease_expired', error_detail = null
      where id = any(array(select id from lost where attempts < ${attemptsMax}))
    ), gone as (
      delete from ${table} where id = any(array(select id from lost where attempts >= ${attemptsMax}))
    ), buried as (
      insert into outbox_dead (projection, id, claimed_at, attempts, error_type, error_detail, ${sql.literal(said)})
      select ${projection}, id, claimed_at, attempts, 'lease_expired', 'its last worker never settled it',
        ${sql.literal(said)} from lost where attempts >= ${attemptsMax}
    )
    select id, attempts, lease_owner, traceparent, tracestate, attempts >= ${attemptsMax} as dead,
      ${sql.literal(micros("claimed_at"))} as claimed_at, ${sql.literal(micros("clock_timestamp()"))} as lost_at
    from lost`
}

const decode = (rows: ReadonlyArray<unknown>): ReadonlyArray<LostAttempt> =>
  decodeRows(rows).map((row) => ({
    id: Number(row.id),
    attempt: row.attempts,
    worker: row.lease_owner,
    claimedAt: row.claimed_at,
    lostAt: row.lost_at,
    trace: row.traceparent === null ? null : { traceparent: row.traceparent, tracestate: row.tracestate },
    dead: row.dead
  }))

export const reclaimed = { query, decode }
