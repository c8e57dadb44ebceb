/** Claims and settlements, each one short committed statement; PostgreSQL's clock alone decides what a lease holds. */
import { Duration, Effect, Layer, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient, type Statement } from "effect/sql"
import { FieldChange, Operation } from "../../src/domain/Change.ts"
import { EntityId, EntityKind } from "../../src/domain/Entity.ts"
import { type Batch, type Delivery, Leases, type Settlement } from "../../src/outbox/Leases.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import { hotTable, micros, said } from "./OutboxTables.ts"
import { bigints, floats, texts } from "./Parameters.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { reclaimed } from "./Reclaim.ts"
import { provenByFirst } from "./Rows.ts"
import { measured, silent } from "./Statement.ts"

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
  attempt: row.attempts,
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
  ${micros("created_at")} as created_at, ${micros("claimed_at")} as claimed_at`

const unleased = "lease_token = null, lease_owner = null, lease_until = null, updated_at = clock_timestamp()"

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const random = yield* SecureRandom.SecureRandom
  const run = <A extends object>(query: Statement.Statement<A>) =>
    query.pipe(silent, measured("update", "outbox"), orUnavailable)
  const interval = (duration: Duration.Duration) => sql`${Duration.toMillis(duration)} * interval '1 millisecond'`
  const idsOf = (settlements: ReadonlyArray<Settlement>) => settlements.map(({ id }) => id)

  const claim = Effect.fnUntraced(function*(
    projection: Projection,
    options: { readonly worker: string; readonly limit: number; readonly leaseFor: Duration.Duration }
  ) {
    const table = sql(hotTable[projection])
    const token = yield* random.uuidV4()
    // any(array(..)) keeps the planner from joining; a scalar sub-select keeps the clock out of a filter.
    const rows = yield* run(sql`
      with due as materialized (
        select id from ${table} where state = 1 and due_at <= (select clock_timestamp())
        order by due_at, id limit ${options.limit} for update skip locked
      ), ready as materialized (
        select id from ${table} where state = 0 order by id limit ${options.limit} for update skip locked
      )
      update ${table} set state = 2, attempts = attempts + 1, lease_token = ${token}::uuid,
        lease_owner = ${options.worker}, lease_until = clock_timestamp() + ${interval(options.leaseFor)},
        claimed_at = clock_timestamp(), updated_at = clock_timestamp()
      where id = any(array(select id from (select id from due union all select id from ready) as next
        limit ${options.limit}))
      returning ${sql.literal(returned)}`)
    const found = asRows(rows)
    return {
      projection,
      token,
      worker: options.worker,
      claimedAt: found[0]?.claimed_at ?? 0,
      deliveries: found.map(toDelivery).toSorted((a, b) => a.id - b.id)
    } satisfies Batch
  })

  /** Who may settle: this claim, and only while its lease lasts. */
  const held = (batch: Batch) => sql`lease_token = ${batch.token}::uuid and lease_until > clock_timestamp()`

  const done = (batch: Batch, settled: ReadonlyArray<Settlement & { readonly _tag: "Done" }>) => {
    const superseded = idsOf(settled.filter(({ outcome }) => outcome === "superseded"))
    return sql`
      with gone as (
        delete from ${sql(hotTable[batch.projection])}
        where id = any(${bigints(idsOf(settled))}) and ${held(batch)} returning *
      )
      insert into outbox_done (projection, id, outcome, claimed_at, attempts, lease_owner, ${sql.literal(said)})
      select ${batch.projection}, id, case when id = any(${bigints(superseded)}) then 'superseded' else 'acked' end,
        claimed_at, attempts, lease_owner, ${sql.literal(said)} from gone returning id`
  }

  const retry = (batch: Batch, settled: ReadonlyArray<Settlement & { readonly _tag: "Retry" }>) =>
    sql`
      with back as (
        update ${sql(hotTable[batch.projection])} as row
        set state = 1, due_at = clock_timestamp() + delay * interval '1 millisecond',
          waiting_since = clock_timestamp(), reclaimed = false, error_type = type, error_detail = detail,
          ${sql.literal(unleased)}
        from unnest(${bigints(idsOf(settled))}, ${floats(settled.map(({ delayMs }) => delayMs))},
          ${texts(settled.map(({ errorType }) => errorType))}, ${texts(settled.map(({ detail }) => detail))})
          as failed (id, delay, type, detail)
        where row.id = failed.id and ${held(batch)}
        returning row.id, attempts, claimed_at, error_type, error_detail, traceparent
      )
      insert into outbox_past_attempts (projection, event_id, attempt, worker, claimed_at, result, outcome, error_type,
        error_detail, traceparent)
      select ${batch.projection}, id, attempts, ${batch.worker}, claimed_at, 'failed', 'retry_scheduled', error_type,
        error_detail, traceparent from back returning event_id as id`

  const dead = (batch: Batch, settled: ReadonlyArray<Settlement & { readonly _tag: "Dead" }>) =>
    sql`
      with gone as (
        delete from ${sql(hotTable[batch.projection])} as row
        using unnest(${bigints(idsOf(settled))}, ${texts(settled.map(({ errorType }) => errorType))},
          ${texts(settled.map(({ detail }) => detail))}) as failed (id, type, detail)
        where row.id = failed.id and ${held(batch)} returning row.*, failed.type, failed.detail
      ), noted as (
        insert into outbox_past_attempts (projection, event_id, attempt, worker, claimed_at, result, outcome,
          error_type, error_detail, traceparent)
        select ${batch.projection}, id, attempts, ${batch.worker}, claimed_at, 'failed', 'dead_lettered', type, detail,
          traceparent from gone
      )
      insert into outbox_dead (projection, id, claimed_at, attempts, error_type, error_detail, ${sql.literal(said)})
      select ${batch.projection}, id, claimed_at, attempts, type, detail, ${sql.literal(said)} from gone returning id`

  const release = (batch: Batch, settled: ReadonlyArray<Settlement>) =>
    sql`
      update ${sql(hotTable[batch.projection])}
      set state = 0, attempts = attempts - 1, due_at = clock_timestamp(), waiting_since = clock_timestamp(),
        ${sql.literal(unleased)}
      where id = any(${bigints(idsOf(settled))}) and ${held(batch)} returning id`

  const settle = Effect.fnUntraced(function*(batch: Batch, settlements: ReadonlyArray<Settlement>) {
    const of = <T extends Settlement["_tag"]>(tag: T) =>
      settlements.filter((one): one is Settlement & { readonly _tag: T } => one._tag === tag)
    const statements = [
      { settled: of("Done"), query: () => done(batch, of("Done")) },
      { settled: of("Retry"), query: () => retry(batch, of("Retry")) },
      { settled: of("Dead"), query: () => dead(batch, of("Dead")) },
      { settled: of("Release"), query: () => release(batch, of("Release")) }
    ]
    const ids = yield* Effect.forEach(
      statements.filter(({ settled }) => settled.length > 0),
      ({ query }) => run(query() as Statement.Statement<{ readonly id: bigint }>)
    )
    return new Set(ids.flat().map(({ id }) => Number(id)))
  })

  const extend = Effect.fnUntraced(function*(batch: Batch, leaseFor: Duration.Duration) {
    const rows = yield* run(sql<{ readonly id: bigint }>`
      update ${sql(hotTable[batch.projection])} set lease_until = clock_timestamp() + ${interval(leaseFor)}
      where id = any(${bigints(batch.deliveries.map(({ id }) => id))}) and ${held(batch)} returning id`)
    return new Set(rows.map(({ id }) => Number(id)))
  })

  return Leases.of({
    claim,
    extend,
    settle,
    reclaim: (projection, options) =>
      Effect.map(run(reclaimed.query(sql, projection, options)), (rows) => reclaimed.decode(rows))
  })
})

export const layer = Layer.effect(Leases, make)
