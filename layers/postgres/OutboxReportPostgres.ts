/** What people ask about the outboxes, answered with bounds; every count has a bound. */
import { Effect, Layer, Schema } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import { OutboxReport, ProjectionStats } from "../../src/outbox/OutboxReport.ts"
import { Projection } from "../../src/outbox/Projection.ts"
import { listEvents } from "./EventList.ts"
import { hotTable } from "./OutboxTables.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { replayed } from "./Replay.ts"
import { silent } from "./Statement.ts"

/** Counting further than this would make a look at a full outbox a load on it. */
const countMax = 1_000_000
const finishedCountMax = 10_000
const lagSample = 1_000

const StatsRow = Schema.Struct({
  pending: Schema.Number,
  processing: Schema.Number,
  done: Schema.Number,
  dead: Schema.Number,
  age: Schema.Number,
  p50: Schema.Number,
  p95: Schema.Number,
  p99: Schema.Number
})
const decodeStats = Schema.decodeUnknownSync(StatsRow)

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const stats = Effect.fnUntraced(function*(projection: Projection) {
    const hot = sql(hotTable[projection])
    const inFlight = sql`(select sum(cardinality(ids))::float8 from outbox_lanes where projection = ${projection})`
    const counted = (from: Statement.Fragment, max: number) =>
      sql`(select count(*)::float8 from (select from ${from} limit ${max}) as bounded)`
    const [row] = yield* silent(sql`
      select greatest(0::float8, ${counted(sql`${hot}`, countMax)} - ${inFlight}) as pending,
        ${inFlight} as processing,
        ${counted(sql`outbox_done where projection = ${projection}`, finishedCountMax)} as done,
        ${counted(sql`outbox_dead where projection = ${projection}`, finishedCountMax)} as dead,
        coalesce((select max(date_part('epoch', clock_timestamp() - oldest.created_at)) from outbox_lanes as lane,
          lateral (select created_at from ${hot} as row where row.lane = lane.lane and row.id <> all(lane.ids)
            order by row.id limit 1) as oldest
          where lane.projection = ${projection}), 0::float8) as age,
        lag.*
      from (
        select coalesce(percentile_cont(0.5) within group (order by lag), 0)::float8 as p50,
          coalesce(percentile_cont(0.95) within group (order by lag), 0)::float8 as p95,
          coalesce(percentile_cont(0.99) within group (order by lag), 0)::float8 as p99
        from (
          select extract(epoch from processed_at - created_at)::float8 as lag from outbox_done
          where projection = ${projection} order by id desc limit ${lagSample}
        ) as recent
      ) as lag`)
    const { age, dead, done, p50, p95, p99, pending, processing } = decodeStats(row)
    return ProjectionStats.make({
      projection,
      pending,
      processing,
      done,
      dead,
      oldest_pending_age_seconds: age,
      lag_seconds: { p50, p95, p99 }
    })
  })

  return OutboxReport.of({
    stats: orUnavailable(Effect.forEach(Projection.literals, stats)),
    events: (filter, limit, after) => orUnavailable(listEvents(sql, filter, limit, after)),
    replay: (filter) => orUnavailable(replayed(sql, filter))
  })
})

export const layer = Layer.effect(OutboxReport, make)
