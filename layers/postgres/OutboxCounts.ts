/** The counts, ages and pace of one outbox, each with a bound: what waits is never walked to its end. */
import { Effect, Schema } from "effect"
import type { SqlClient, Statement } from "effect/sql"
import { OutboxGlance } from "../../src/outbox/OutboxOverview.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import { hotTable } from "./OutboxTables.ts"
import { silent } from "./Statement.ts"

const finishedCountMax = 10_000
/** Of finished rows, by which lag and pace are told. */
const recentMax = 1_000
const paceSeconds = 60

const Row = Schema.Struct({
  pending: Schema.Number,
  processing: Schema.Number,
  done: Schema.Number,
  dead: Schema.Number,
  age: Schema.Number,
  pace: Schema.Number,
  p50: Schema.Number,
  p95: Schema.Number,
  p99: Schema.Number
})
const decode = Schema.decodeUnknownSync(Row)

const recent = (sql: SqlClient.SqlClient, projection: Projection) =>
  sql`
    select coalesce(percentile_cont(0.5) within group (order by lag), 0)::float8 as p50,
      coalesce(percentile_cont(0.95) within group (order by lag), 0)::float8 as p95,
      coalesce(percentile_cont(0.99) within group (order by lag), 0)::float8 as p99,
      (count(*) filter (where ago <= ${paceSeconds}) / case
        when count(*) = ${recentMax} then least(${paceSeconds}, greatest(0.001, max(ago))) else ${paceSeconds}
      end)::float8 as pace
    from (
      select extract(epoch from processed_at - created_at)::float8 as lag,
        extract(epoch from clock_timestamp() - processed_at)::float8 as ago
      from outbox_done where projection = ${projection} order by id desc limit ${recentMax}
    ) as recent`

/** `waitingMax`: what waits is counted up to this. */
export const countsOf = Effect.fnUntraced(function*(
  sql: SqlClient.SqlClient,
  projection: Projection,
  waitingMax: number
) {
  const hot = sql(hotTable[projection])
  const inFlight = sql`(select sum(cardinality(ids))::float8 from outbox_lanes where projection = ${projection})`
  const counted = (from: Statement.Fragment, max: Statement.Fragment) =>
    sql`(select count(*)::float8 from (select from ${from} limit ${max}) as bounded)`
  const [row] = yield* silent(sql`
    select greatest(0::float8, ${counted(sql`${hot}`, sql`${waitingMax} + ${inFlight}::bigint`)} - ${inFlight})
        as pending,
      ${inFlight} as processing,
      ${counted(sql`outbox_done where projection = ${projection}`, sql`${finishedCountMax}`)} as done,
      ${counted(sql`outbox_dead where projection = ${projection}`, sql`${finishedCountMax}`)} as dead,
      coalesce((select max(date_part('epoch', clock_timestamp() - oldest.created_at)) from outbox_lanes as lane,
        lateral (select created_at from ${hot} as row where row.lane = lane.lane and row.id <> all(lane.ids)
          order by row.id limit 1) as oldest
        where lane.projection = ${projection}), 0::float8) as age,
      recent.*
    from (${recent(sql, projection)}) as recent`)
  const { age, dead, done, p50, p95, p99, pace, pending, processing } = decode(row)
  return OutboxGlance.make({
    projection,
    pending,
    processing,
    done,
    dead,
    oldest_pending_age_seconds: age,
    lag_seconds: { p50, p95, p99 },
    finished_per_second: pace
  })
})
