/** What PostgreSQL says of rows, leases and workers to whoever looks for what is wrong; every look is bounded. */
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { DoctorDatabase, rowsLookedAt } from "../../src/doctor/SystemFacts.ts"
import { recentMax, recentMinutes } from "../../src/explain/Facts.ts"
import { claimants, isLiving, lookUpProjections } from "./ExplainSystem.ts"
import { doneTable, hotTable } from "./OutboxTables.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { silent } from "./Statement.ts"

const Texts = Schema.Array(Schema.String)

const decodeFacts = Schema.decodeUnknownSync(Schema.Struct({
  rows: Schema.Number,
  without: Schema.Number,
  requests: Schema.Number,
  newest: Schema.NullOr(Schema.String),
  killed: Texts,
  twice: Texts,
  over: Texts,
  nobodys: Texts,
  drift: Schema.Number
}))

const columns = "select created_at, traceparent, request_id from"
const ofLane = Math.ceil(rowsLookedAt / 32)

/** Of a backlog as many from each lane. */
const newest = (["search", "chronicle"] as const).flatMap((projection) => [
  `(select row.* from outbox_lanes as lane cross join lateral (${columns} ${hotTable[projection]} as row
      where row.lane = lane.lane order by id desc limit ${ofLane}) as row where lane.projection = '${projection}')`,
  `(${columns} ${doneTable[projection]} order by id desc limit ${rowsLookedAt})`
])

const names = (select: string) => `array(${select} limit 100)`

const factsText = `select count(*)::float8 as rows, count(*) filter (where traceparent is null)::float8 as without,
    count(*) filter (where traceparent is null and request_id is not null)::float8 as requests,
    (select substr(traceparent, 4, 32) from (select traceparent from ${doneTable.search} order by id desc limit 100)
      as finished where traceparent is not null limit 1) as newest,
    ${
  names(`select id from outbox_workers as worker where not ${isLiving("worker.id")} order by started_at`)
} as killed,
    ${names(`select id from outbox_workers as worker where ${claimants("worker.id")} > 1 order by id`)} as twice,
    ${names("select distinct worker from outbox_lanes where lease_until < clock_timestamp()")} as over,
    ${
  names(`select distinct worker from outbox_lanes as lane where lease_until >= clock_timestamp()
      and not ${isLiving("lane.worker")}`)
} as nobodys,
    (select coalesce(sum(missing + stale + orphaned), 0)::float8 from search_reconciles) as drift
  from (select * from (${newest.join(" union all ")}) as each order by created_at desc limit ${rowsLookedAt}) as last`

const decodeDead = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({
  projection: Schema.String,
  error_type: Schema.NullOr(Schema.String),
  rows: Schema.Number
})))

const deadText = `select projection, error_type, count(*)::float8 as rows
  from (select projection, error_type from outbox_dead limit 10000) as bounded
  group by projection, error_type order by rows desc limit 20`

const decodeFailures = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({
  error_type: Schema.String,
  times: Schema.Number,
  attempt: Schema.Number
})))

const late = (minutes: number) =>
  `(select * from outbox_past_attempts where ended_at > (select clock_timestamp() - interval '${minutes} minutes')
    order by ended_at desc limit ${recentMax}) as late`

const failuresText = `select error_type, count(*)::float8 as times, max(attempt)::float8 as attempt
  from ${late(recentMinutes)} where result = 'failed' and error_type is not null
  group by error_type order by times desc limit 20`

const decodeLost = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({
  event: Schema.String,
  times: Schema.Number,
  worker: Schema.String
})))

const lostText = `select projection || '/' || event_id as event, count(*)::float8 as times,
    (array_agg(worker order by ended_at desc))[1] as worker
  from ${late(60)} where outcome = 'lease_lost'
  group by projection, event_id having count(*) > 1 order by times desc limit 20`

export const layer = Layer.effect(
  DoctorDatabase,
  Effect.map(SqlClient.SqlClient, (sql) =>
    DoctorDatabase.of({
      look: orUnavailable(Effect.gen(function*() {
        const [row] = yield* silent(sql.unsafe(factsText))
        const facts = decodeFacts(row)
        return {
          rows: facts.rows,
          rowsWithoutTrace: facts.without,
          requestsWithoutTrace: facts.requests,
          newestTrace: facts.newest,
          workersKilled: facts.killed,
          ownersTwice: facts.twice,
          leasesOver: facts.over,
          leasesOfNobody: facts.nobodys,
          drift: facts.drift,
          projections: yield* lookUpProjections(sql),
          dead: decodeDead(yield* silent(sql.unsafe(deadText))).map(({ error_type, projection, rows }) => ({
            projection,
            errorType: error_type ?? "unknown",
            rows
          })),
          failures: decodeFailures(yield* silent(sql.unsafe(failuresText))).map(({ attempt, error_type, times }) => ({
            errorType: error_type,
            times,
            attempt
          })),
          lostAgain: decodeLost(yield* silent(sql.unsafe(lostText)))
        }
      }))
    }))
)
