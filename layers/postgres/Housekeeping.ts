/** Keeps what is finished from growing: a partition for each day to come, none for what is past its retention. */
import { Duration, Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { Projection } from "../../src/outbox/Projection.ts"
import { Settings } from "../../src/settings/Settings.ts"
import { doneTable } from "./OutboxTables.ts"
import { silent } from "./Statement.ts"

const every = "10 minutes"
/** Enough for a worker that stands still over a night. */
const daysAhead = 2
const deletedMax = 10_000
/** Of messages in one turn: a million every ten minutes. */
const batchesMax = 100

/** A day's rows are only added; a vacuum each 50,000 of them brings the index of trace ids up to date. */
const onlyInserts = "autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000"

const day = (date: string) => date.replaceAll("-", "")

// A day whose first rows went to the default partition, because no worker was there to prepare it, stays there.
const createAhead = Effect.fnUntraced(function*(table: string) {
  const sql = yield* SqlClient.SqlClient
  const days = yield* sql<{ readonly day: string; readonly next: string }>`
    select d::date::text as day, (d + interval '1 day')::date::text as next
    from generate_series(date_trunc('day', clock_timestamp()), clock_timestamp() + ${daysAhead} * interval '1 day',
      interval '1 day') as d
    where not exists (
      select from ${sql(`${table}_default`)} where processed_at >= d and processed_at < d + interval '1 day')`
  yield* Effect.forEach(
    days,
    ({ day: from, next }) =>
      sql.unsafe(`create table if not exists ${table}_${day(from)} partition of ${table}
      for values from ('${from} 00:00+00') to ('${next} 00:00+00') with (${onlyInserts})`),
    { discard: true }
  )
})

const dropDays = Effect.fnUntraced(function*(table: string, seconds: number) {
  const sql = yield* SqlClient.SqlClient
  const past = yield* sql<{ readonly name: string }>`
    select child.relname as name from pg_inherits join pg_class as child on child.oid = inhrelid
    where inhparent = ${table}::regclass and child.relname ~ '_[0-9]{8}$'
      and to_date(right(child.relname, 8), 'YYYYMMDD') + 1
        < (clock_timestamp() - ${seconds} * interval '1 second')::date`
  yield* Effect.forEach(past, ({ name }) => sql`drop table ${sql(name)}`, { discard: true })
  const rest = sql(`${table}_default`)
  yield* sql`
    delete from ${rest} where ctid = any(array(
      select ctid from ${rest} where processed_at < clock_timestamp() - ${seconds} * interval '1 second'
      limit ${deletedMax}))`
})

const dropPast = Effect.fnUntraced(function*(seconds: number) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    delete from outbox_past_attempts where ctid = any(array(
      select ctid from outbox_past_attempts as past
      where ended_at < clock_timestamp() - ${seconds} * interval '1 second'
        and not exists (select from outbox_dead as dead where dead.projection = past.projection and dead.id = event_id)
      order by ended_at limit ${deletedMax}))`
  yield* sql`delete from idempotency_keys where ctid = any(array(
    select ctid from idempotency_keys where created_at < clock_timestamp() - ${seconds} * interval '1 second'
    order by created_at limit ${deletedMax}))`
})

/** One worker at a time does it; the others find the lock taken and go on. */
const alone = <A, E, R>(work: Effect.Effect<A, E, R>, otherwise: A) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql.withTransaction(Effect.gen(function*() {
      const [lock] = yield* sql<{ readonly got: boolean }>`
        select pg_try_advisory_xact_lock(hashtextextended('wordloom.housekeeping', 0)) as got`
      return lock?.got === true ? yield* work : otherwise
    })))

const keep = (retention: Duration.Duration) =>
  alone(
    Effect.gen(function*() {
      const seconds = Duration.toSeconds(retention)
      for (const projection of Projection.literals) {
        yield* createAhead(doneTable[projection])
        yield* dropDays(doneTable[projection], seconds)
      }
      yield* dropPast(seconds)
    }),
    undefined
  )

/** What was said long ago; the session keeps its number, so that none is given twice. */
const forgetMessages = Effect.fnUntraced(function*(retention: Duration.Duration) {
  const sql = yield* SqlClient.SqlClient
  const before = sql`clock_timestamp() - ${Duration.toSeconds(retention)} * interval '1 second'`
  const some = Effect.map(
    sql<{ readonly gone: number }>`
      with gone as (
        delete from realtime_messages where ctid = any(array(
          select ctid from realtime_messages where created_at < ${before} limit ${deletedMax}))
        returning 1
      ) select count(*)::int as gone from gone`,
    ([row]) => row?.gone ?? 0
  )
  for (let batch = 0; batch < batchesMax; batch++) {
    if ((yield* alone(some, 0)) < deletedMax) return
  }
})

export const layer = Layer.effectDiscard(
  Effect.gen(function*() {
    const { realtimeRetention, retention } = yield* Settings
    const once = silent(Effect.andThen(keep(retention), forgetMessages(realtimeRetention))).pipe(
      Effect.catchCause((cause) => Effect.logWarning("housekeeping failed; it is tried again", cause))
    )
    // The day's partition must be there before the first row is finished.
    yield* once
    yield* once.pipe(Effect.delay(every), Effect.repeat(Schedule.forever), Effect.forkScoped)
  })
)
