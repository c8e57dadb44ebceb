/** How each projection is doing: whether anyone works on it, how far it is behind, what failed lately. */
import { Effect, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { type Failures, type ProjectionFacts, recentMax, recentMinutes } from "../../src/explain/Facts.ts"
import { Projection } from "../../src/outbox/Projection.ts"
import { breakersMax } from "../../src/outbox/ProjectionStatus.ts"
import { doneTable, hotTable, micros } from "./OutboxTables.ts"
import { provenByFirst } from "./Rows.ts"
import { silent } from "./Statement.ts"

const MaybeNumber = Schema.NullOr(Schema.Number)

const asStates = provenByFirst(Schema.Struct({
  projection: Projection,
  paused_at: MaybeNumber,
  paused_reason: Schema.NullOr(Schema.String),
  age: Schema.Number,
  rows: Schema.Number,
  per_second: MaybeNumber,
  lag_p50: MaybeNumber,
  lag_p95: MaybeNumber,
  engine_p50: MaybeNumber,
  engine_p95: MaybeNumber
}))

const percentile = (fraction: number, of: string) =>
  `percentile_cont(${fraction}) within group (order by ${of})::float8`

const lag = "extract(epoch from processed_at - created_at) * 1000"

/** The oldest of each lane that nobody has, and the last finished rows: bounded whatever waits or is finished. */
const stateOf = (projection: Projection) =>
  `select '${projection}' as projection, ${micros("paused_at")} as paused_at, paused_reason, recent.*,
    coalesce((select max(date_part('epoch', clock_timestamp() - oldest.created_at) * 1000)
      from outbox_lanes as lane cross join lateral (select created_at from ${hotTable[projection]} as row
        where row.lane = lane.lane and row.id <> all(lane.ids) order by row.id limit 1) as oldest
      where lane.projection = '${projection}'), 0) as age
  from outbox_projections, (
    select count(*)::float8 as rows,
      count(*) / greatest(0.001, date_part('epoch', clock_timestamp() - min(processed_at))) as per_second,
      ${percentile(0.5, lag)} as lag_p50, ${percentile(0.95, lag)} as lag_p95,
      ${percentile(0.5, "engine_ms")} as engine_p50, ${percentile(0.95, "engine_ms")} as engine_p95
    from (select processed_at, created_at, engine_ms from ${doneTable[projection]} order by id desc limit ${recentMax})
      as last
  ) as recent where projection = '${projection}'`

export const statesText = Projection.literals.map(stateOf).join(" union all ")

const asWorkers = provenByFirst(Schema.Struct({
  id: Schema.String,
  projections: Schema.Array(Schema.String),
  started_at: Schema.Number
}))

const workersMax = 1_000

/** Granted locks under a name, as PostgreSQL shows those that have one number. */
const locksOf = (name: string) =>
  `from pg_locks where locktype = 'advisory' and granted and objsubid = 1
      and database = (select oid from pg_database where datname = current_database())
      and (classid::bigint << 32) | objid::bigint = hashtextextended(${name}, 0)`

/** A worker holds a lock under its name while its session lives; one that was killed leaves its line behind. */
export const isLiving = (id: string) => `exists (select ${locksOf(`'wordloom.worker.' || ${id}`)})`

/** Processes that work under a name, whether or not they hold it. */
export const claimants = (id: string) => `(select count(*) ${locksOf(`'wordloom.worker.process.' || ${id}`)})`

const workersText = `select id, projections, ${micros("started_at")} as started_at
  from outbox_workers as worker
  where ${isLiving("worker.id")}
  order by id limit ${workersMax}`

const asBreakers = provenByFirst(Schema.Struct({
  projection: Projection,
  worker: Schema.String,
  state: Schema.Literals(["open", "half_open"]),
  error_type: Schema.String,
  error_detail: Schema.String,
  retry_at: Schema.Number,
  updated_at: Schema.Number
}))

const breakersText = `select projection, worker, state, error_type, error_detail, ${micros("retry_at")} as retry_at,
    ${micros("updated_at")} as updated_at from outbox_breakers order by projection, worker limit ${3 * breakersMax}`

const asFailures = provenByFirst(Schema.Struct({
  projection: Projection,
  throttled: Schema.Number,
  lost: Schema.Number,
  other: Schema.Number
}))

const isThrottled = "error_type like '%\\_429'"
const isLost = "outcome = 'lease_lost'"
export const failuresText = `select projection, count(*) filter (where ${isThrottled})::float8 as throttled,
    count(*) filter (where ${isLost})::float8 as lost,
    count(*) filter (where result = 'failed' and not coalesce(${isThrottled}, false) and not ${isLost})::float8 as other
  from (select projection, outcome, result, error_type from outbox_past_attempts
    where ended_at > (select clock_timestamp() - interval '${recentMinutes} minutes')
    order by ended_at desc limit ${recentMax}) as late
  group by projection`

const failuresOf = (row: Failures | undefined): Failures => ({
  throttled: row?.throttled ?? 0,
  lost: row?.lost ?? 0,
  other: row?.other ?? 0
})

export const lookUpProjections = Effect.fnUntraced(function*(sql: SqlClient.SqlClient) {
  const [states, workers, breakers, failures] = yield* Effect.all([
    silent(sql.unsafe(statesText)),
    silent(sql.unsafe(workersText)),
    silent(sql.unsafe(breakersText)),
    silent(sql.unsafe(failuresText))
  ])
  const living = asWorkers(workers)
  const failed = asFailures(failures)
  return asStates(states).map((state): ProjectionFacts => {
    const { projection } = state
    const mine = living.filter(({ projections }) => projections.includes(projection))
    return {
      projection,
      pausedAt: state.paused_at,
      pausedReason: state.paused_reason,
      workers: mine.map(({ id, started_at }) => ({ id, startedAt: started_at })),
      // One that was killed and started again begins with a closed breaker, and does not say so.
      breakers: asBreakers(breakers).filter((each) =>
        each.projection === projection &&
        mine.some(({ id, started_at }) => id === each.worker && started_at <= each.updated_at)
      ).map((each) => ({
        worker: each.worker,
        state: each.state,
        errorType: each.error_type,
        detail: each.error_detail,
        retryAt: each.retry_at
      })),
      oldestAgeMs: Math.max(0, state.age),
      recent: state.rows === 0 ? null : {
        rows: state.rows,
        perSecond: state.per_second ?? 0,
        lagP50Ms: state.lag_p50 ?? 0,
        lagP95Ms: state.lag_p95 ?? 0,
        engineP50Ms: state.engine_p50,
        engineP95Ms: state.engine_p95
      },
      failures: failuresOf(failed.find((each) => each.projection === projection))
    }
  })
})
