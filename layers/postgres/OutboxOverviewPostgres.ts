/** The outboxes at a glance, and the workers that are connected or hold rows. */
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { glanceMax, HeldLease, OutboxOverview, type WorkerSeen, workersMax } from "../../src/outbox/OutboxOverview.ts"
import { Projection } from "../../src/outbox/Projection.ts"
import { countsOf } from "./OutboxCounts.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { silent } from "./Statement.ts"

const Time = Schema.DateTimeUtcFromDate
const WorkerRow = Schema.Struct({
  id: Schema.String,
  alive: Schema.Boolean,
  projections: Schema.Array(Projection),
  started_at: Schema.NullOr(Time),
  projection: Schema.NullOr(Projection),
  rows: Schema.NullOr(Schema.Int),
  lanes: Schema.NullOr(Schema.Int),
  claimed_at: Schema.NullOr(Time),
  lease_until: Schema.NullOr(Time)
})
type WorkerRow = typeof WorkerRow.Type
const decode = Schema.decodeUnknownSync(Schema.Array(WorkerRow))
const decodeNow = Schema.decodeUnknownSync(Schema.Struct({ at: Time }))

/** A worker's name is a lock of its session (WorkerIdentityPostgres), shown as two halves of the name's hash. */
const workers = (sql: SqlClient.SqlClient) =>
  sql`
    with sessions as materialized (
      select (classid::bigint << 32) | objid::bigint as name from pg_locks
      where locktype = 'advisory' and objsubid = 1 and granted
        and database = (select oid from pg_database where datname = current_database())
    ), living as (
      select id, projections, started_at from outbox_workers
      where hashtextextended('wordloom.worker.' || id, 0) in (select name from sessions)
    ), held as (
      select worker, projection, sum(cardinality(ids))::int as rows, count(*)::int as lanes,
        min(claimed_at) as claimed_at, min(lease_until) as lease_until
      from outbox_lanes where token is not null group by worker, projection
    )
    select coalesce(living.id, held.worker) as id, living.id is not null as alive,
      coalesce(living.projections, '{}') as projections, living.started_at, held.projection, held.rows, held.lanes,
      held.claimed_at, held.lease_until
    from living full join held on held.worker = living.id
    order by 1, held.projection limit ${workersMax * Projection.literals.length}`

const leaseOf = ({ claimed_at, lanes, lease_until, projection, rows }: WorkerRow) =>
  projection === null
    ? []
    : [HeldLease.make({
      projection,
      rows: rows ?? 0,
      lanes: lanes ?? 0,
      claimed_at: claimed_at!,
      lease_until: lease_until!
    })]

const workersOf = (rows: ReadonlyArray<WorkerRow>): ReadonlyArray<WorkerSeen> =>
  [...Map.groupBy(rows, ({ id }) => id).values()].slice(0, workersMax).map((each) => {
    const { alive, id, projections, started_at } = each[0]!
    return { id, alive, projections, started_at, leases: each.flatMap(leaseOf) }
  })

export const layer = Layer.effect(
  OutboxOverview,
  Effect.map(SqlClient.SqlClient, (sql) =>
    OutboxOverview.of({
      look: orUnavailable(silent(Effect.gen(function*() {
        const projections = yield* Effect.forEach(Projection.literals, (one) => countsOf(sql, one, glanceMax), {
          concurrency: 2
        })
        const seen = decode(yield* workers(sql))
        const [clock] = yield* sql`select clock_timestamp() as at`
        return { ...decodeNow(clock), projections, workers: workersOf(seen) }
      })))
    }))
)
