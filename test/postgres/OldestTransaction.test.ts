/** Who holds back vacuum, as a real PostgreSQL tells it. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Metric, Option, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { randomBytes } from "node:crypto"
import * as OldestTransactionPostgres from "../../layers/postgres/OldestTransaction.ts"
import * as PostgresClient from "../../layers/postgres/PostgresClient.ts"
import * as VacuumWatch from "../../src/delivery/VacuumWatch.ts"
import { type Holder, OldestTransaction } from "../../src/outbox/OldestTransaction.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import { freshDatabase } from "../support/PostgresForTests.ts"

class Where extends Context.Service<Where, PostgresClient.Address>()("wordloom/test/WhereLooked") {}

const looking = (address: PostgresClient.Address, pool: number) =>
  OldestTransactionPostgres.layer.pipe(Layer.provideMerge(PostgresClient.layer(address, { name: "test", pool })))

const database = Layer.unwrap(
  Effect.map(freshDatabase, (address) => Layer.merge(Layer.succeed(Where, address), looking(address, 3)))
)

/** A session of somebody else, for as long as the test lasts. */
const session = Effect.fnUntraced(function*(
  name: string,
  ...[begin, ...statements]: readonly [begin: string, ...statements: ReadonlyArray<string>]
) {
  const context = yield* Layer.build(PostgresClient.layer(yield* Where, { name, pool: 1 }))
  const connection = yield* Context.get(context, PgClient.PgClient).reserve
  const run = (statement: string) => connection.execute(statement, [], undefined)
  const [row] = yield* run("select pg_backend_pid() as pid")
  for (const statement of [begin, ...statements]) yield* run(statement)
  return { pid: (row as { readonly pid: number }).pid, run }
})

const snapshot = ["begin isolation level repeatable read", "select 'a secret'"] as const
const writing = ["begin", "select pg_current_xact_id()::text"] as const

/** Longer than PostgreSQL lets the writer of a test stand idle whose connection has gone silent. */
const patience = "100 seconds"

/** The server is shared: whoever writes in another test's database is named too, until it has committed. */
const until = (is: (found: Holder | undefined) => boolean) =>
  OldestTransaction.use(({ look }) => Effect.map(look, Option.getOrUndefined)).pipe(
    Effect.repeat({ until: is, schedule: Schedule.spaced("20 millis") }),
    Effect.timeout(patience)
  )

const named = (pid: number) => Effect.map(until((found) => found?.pid === pid), (found) => found!)
const nobody = until((found) => found === undefined)

layer(database, { excludeTestServices: true })("the oldest transaction", (it) => {
  it.effect("is none while nobody holds anything", () => nobody)

  it.effect("is a session with an old snapshot, named without its query, until it ends", () =>
    Effect.gen(function*() {
      const { pid, run } = yield* session("a report", ...snapshot)
      const found = yield* named(pid)
      const { age_seconds, age_transactions, ...said } = found
      assert.deepStrictEqual(said, {
        kind: "session",
        pid,
        name: null,
        application_name: "a report",
        user: (yield* Where).username,
        state: "idle in transaction",
        catalogs_only: false
      })
      assert.isAtLeast(age_seconds!, 0)
      assert.isAtLeast(age_transactions, 0)
      assert.notInclude(JSON.stringify(found), "secret")
      yield* run("commit")
      yield* nobody
    }).pipe(Effect.scoped))

  it.effect("is a session that has written and stands idle, though it holds no snapshot", () =>
    Effect.gen(function*() {
      const { pid, run } = yield* session("a writer", ...writing)
      assert.deepInclude(yield* named(pid), { application_name: "a writer", state: "idle in transaction" })
      yield* run("rollback")
      yield* nobody
    }).pipe(Effect.scoped))

  it.effect("is the one that began first of two that see equally far back", () =>
    Effect.gen(function*() {
      const first = yield* session("first", ...writing)
      const second = yield* session("second", ...snapshot)
      yield* named(first.pid)
      yield* first.run("commit")
      yield* named(second.pid)
    }).pipe(Effect.scoped))

  it.effect("is in another database only if it writes: a snapshot there holds back nothing here", () =>
    Effect.gen(function*() {
      const elsewhere = yield* freshDatabase
      const there = Effect.provideService(Where, elsewhere)
      yield* session("a reader elsewhere", ...snapshot).pipe(there)
      yield* nobody
      const { pid } = yield* session("a writer elsewhere", ...writing).pipe(there)
      assert.strictEqual((yield* named(pid)).application_name, "a writer elsewhere")
    }).pipe(Effect.scoped))

  it.effect("is not a vacuum at work", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`create table large as select generate_series(1, 100000) as id`
      const { pid, run } = yield* session("cleaning", "set vacuum_cost_limit = 1", "set vacuum_cost_delay = '100ms'")
      yield* Effect.addFinalizer(() => Effect.ignore(sql`select pg_terminate_backend(${pid})`))
      yield* Effect.forkScoped(Effect.ignore(run("vacuum large")))
      const atWork = sql`select from pg_stat_activity join pg_stat_progress_vacuum using (pid)
        where pid = ${pid} and backend_xmin is not null`
      yield* atWork.pipe(
        Effect.repeat({ until: (rows) => rows.length === 1, schedule: Schedule.spaced("20 millis") }),
        Effect.timeout(patience)
      )
      yield* nobody
      assert.strictEqual((yield* atWork).length, 1)
    }).pipe(Effect.scoped))

  it.effect("is told to a user without rights as far as PostgreSQL tells it", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const role = `guest_${randomBytes(6).toString("hex")}`
      yield* Effect.acquireRelease(
        sql.unsafe(`create role ${role} login password 'guest'`),
        () => Effect.orDie(sql.unsafe(`drop role ${role}`))
      )
      const { pid } = yield* session("a report", ...snapshot)
      const guest = { ...(yield* Where), username: role, password: Redacted.make("guest") }
      const seen = yield* named(pid).pipe(Effect.provide(Layer.fresh(looking(guest, 1))))
      const unknown = { state: null, age_seconds: null }
      assert.deepInclude(seen, { kind: "session", application_name: "a report", ...unknown })
      assert.isAtLeast(seen.age_transactions, 0)
    }).pipe(Effect.scoped))

  it.effect("shows in the gauge with an age that grows, and in none when it is gone", () =>
    Effect.gen(function*() {
      const { sample } = yield* VacuumWatch.make(Number.POSITIVE_INFINITY)
      const gauge = Effect.andThen(
        sample,
        Effect.map(Metric.value(Metrics.oldestTransactionAge.metric), ({ value }) => value)
      )
      const shows = (is: (age: number) => boolean) =>
        gauge.pipe(
          Effect.repeat({ until: is, schedule: Schedule.spaced("20 millis") }),
          Effect.timeout(patience)
        )
      const { pid, run } = yield* session("a report", ...snapshot)
      yield* named(pid)
      const age = yield* shows((age) => age > 0)
      yield* shows((later) => later > age)
      yield* run("commit")
      yield* shows((age) => age === 0)
    }).pipe(Effect.scoped))
})

/** PostgreSQL's views, as tables that a test fills: what a server needs settings or a standby for. */
const tables = ["pg_stat_activity", "pg_prepared_xacts"]

const imagined = Layer.unwrap(Effect.map(freshDatabase, (address) => {
  const instead = Layer.effectDiscard(Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql`create schema imagined`
    for (const view of tables) {
      yield* sql.unsafe(`create table imagined.${view} as select * from pg_catalog.${view} with no data`)
    }
    // A table may not have a column xmin of its own, a view may.
    yield* sql`create table imagined.slots (slot_name name, active_pid int, active boolean default false,
      wal_status text, data_xmin xid, catalog_xmin xid)`
    yield* sql`create view imagined.pg_replication_slots as select *, data_xmin as xmin from imagined.slots`
    yield* sql`set search_path = imagined, pg_catalog`
  }))
  // One connection: the path is the session's own.
  return instead.pipe(Layer.provideMerge(looking(address, 1)))
}))

const ago = (transactions: number) =>
  `((pg_current_xact_id()::text::bigint + 4294967296 - ${transactions}) % 4294967296)::text::xid`

const begun = (seconds: number) => `clock_timestamp() - ${seconds} * interval '1 second'`

const open = (name: string, transactions: number, seconds: number | undefined) =>
  `insert into pg_stat_activity (pid, usesysid, datname, application_name, state, xact_start, backend_xmin)
    values (1, 10, current_database(), '${name}', 'active', ${seconds === undefined ? "null" : begun(seconds)},
    ${ago(transactions)})`

const preparedAs = (name: string, transactions: number, seconds: number) =>
  `insert into pg_prepared_xacts (gid, owner, prepared, transaction)
    values ('${name}', 'somebody', ${begun(seconds)}, ${ago(transactions)})`

const slotOf = (name: string, sees: "data_xmin" | "catalog_xmin", transactions: number, status = "reserved") =>
  `insert into slots (slot_name, wal_status, ${sees}) values ('${name}', '${status}', ${ago(transactions)})`

layer(imagined, { excludeTestServices: true })("the oldest of several", (it) => {
  const foundAmong = Effect.fnUntraced(function*(...inserts: ReadonlyArray<string>) {
    const sql = yield* SqlClient.SqlClient
    for (const table of [...tables, "slots"]) yield* sql`truncate ${sql(table)}`
    for (const insert of inserts) yield* sql.unsafe(insert)
    return Option.getOrUndefined(yield* OldestTransaction.use(({ look }) => look))
  })
  const name = (found: Holder | undefined) => found?.name ?? found?.application_name

  it.effect("may be a prepared transaction, whose session is long gone", () =>
    Effect.gen(function*() {
      const found = yield* foundAmong(open("short", 5, 1), preparedAs("xa-1", 90, 700))
      const { age_seconds, age_transactions, ...said } = found!
      assert.deepStrictEqual(said, {
        kind: "prepared",
        pid: null,
        name: "xa-1",
        application_name: null,
        user: "somebody",
        state: null,
        catalogs_only: false
      })
      assert.isAtLeast(age_seconds!, 700)
      assert.isAtLeast(age_transactions, 90)
    }))

  it.effect("may be a replication slot, of which nobody knows since when", () =>
    Effect.gen(function*() {
      const found = yield* foundAmong(open("short", 5, 1), slotOf("standby", "data_xmin", 700_000))
      const silent = { kind: "slot", state: "inactive", age_seconds: null } as const
      assert.deepInclude(found, { ...silent, name: "standby", catalogs_only: false })
      assert.isAtLeast(found!.age_transactions, 700_000)
    }))

  it.effect("sees furthest back, whoever began first", () =>
    Effect.gen(function*() {
      assert.strictEqual(name(yield* foundAmong(open("begun early", 5, 900), open("sees far", 50, 10))), "sees far")
    }))

  it.effect("is not the slot that only repeats what a transaction holds", () =>
    Effect.gen(function*() {
      const among = yield* foundAmong(
        "begin",
        slotOf("standby", "data_xmin", 90_000),
        open("cause", 90_000, 61),
        "commit"
      )
      assert.strictEqual(name(among), "cause")
    }))

  it.effect("is one whose start this user may not see, rather than one of a moment that sees no further", () =>
    Effect.gen(function*() {
      const among = yield* foundAmong("begin", open("own", 70_000, 1), open("foreign", 70_000, undefined), "commit")
      assert.strictEqual(name(among), "foreign")
    }))

  it.effect("is a slot that keeps back the catalogs alone only when it has stood still for longer", () =>
    Effect.gen(function*() {
      const long = open("long", 5, 100)
      assert.strictEqual(name(yield* foundAmong(long, slotOf("alive", "catalog_xmin", 50))), "long")
      const found = yield* foundAmong(long, slotOf("forgotten", "catalog_xmin", 5_000_000))
      assert.deepInclude(found, { name: "forgotten", catalogs_only: true })
    }))

  it.effect("is no slot that is lost", () =>
    Effect.gen(function*() {
      assert.isUndefined(yield* foundAmong(slotOf("gone", "data_xmin", 5_000_000, "lost")))
    }))
})
