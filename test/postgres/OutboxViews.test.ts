/** The tables that others may read: contract §4 to the letter. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { fresh } from "../support/Backstage.ts"
import {
  changeOf,
  claim,
  commit,
  commitMany,
  dead,
  done,
  idsOf,
  requestedAs,
  retry,
  settle,
  tracedAs
} from "../support/Changes.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

const events = [
  "id",
  "entity_type",
  "entity_id",
  "entity_version",
  "op",
  "status",
  "attempts",
  "next_attempt_at",
  "lease_owner",
  "lease_until",
  "error_type",
  "error_detail",
  "traceparent",
  "tracestate",
  "trace_id",
  "request_id",
  "created_at",
  "updated_at",
  "processed_at"
]
const attempts = [
  "projection",
  "event_id",
  "attempt",
  "worker",
  "claimed_at",
  "ended_at",
  "result",
  "outcome",
  "error_type",
  "trace_id"
]

const columnsOf = (view: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(
      sql<{ readonly name: string }>`select column_name::text as name from information_schema.columns
        where table_name = ${view} order by ordinal_position`,
      (rows) => rows.map(({ name }) => name)
    ))

const context = { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", tracestate: "k=v" }

layer(PostgresStores.layer, { excludeTestServices: true })("what others may read", (it) => {
  for (const projection of ["search", "chronicle", "realtime"]) {
    it.effect(`${projection}_outbox_events has the columns of the contract and no others`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* columnsOf(`${projection}_outbox_events`), events)
      }))
  }

  it.effect("outbox_attempts has the columns of the contract and no others", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* columnsOf("outbox_attempts"), attempts)
    }))

  it.effect("the runbook's query shows a row from its commit to long after it has ended", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const runbook = sql`select id, status, traceparent, tracestate, created_at
      from search_outbox_events order by created_at desc limit 10`
      const statuses = Effect.map(runbook, (rows) =>
        rows.map(({ created_at, status, traceparent, tracestate }) => {
          assert.deepStrictEqual({ traceparent, tracestate }, context)
          assert.instanceOf(created_at, Date)
          return status
        }))
      yield* commit(changeOf()).pipe(tracedAs(context))
      assert.deepStrictEqual(yield* statuses, ["pending"])
      const batch = yield* claim()
      assert.deepStrictEqual(yield* statuses, ["processing"])
      const [id] = idsOf(batch) as [number]
      yield* settle(batch, retry(id))
      assert.deepStrictEqual(yield* statuses, ["pending"])
      yield* settle(yield* claim(), done(id))
      assert.deepStrictEqual(yield* statuses, ["done"])
    }).pipe(fresh))

  it.effect("every status is one of the contract's, and each attempt has its result and its trace", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* commitMany(4, 3).pipe(tracedAs(context), requestedAs("r-9"))
      const batch = yield* claim({ limit: 3, worker: "w-trace" })
      const [a, b, c] = idsOf(batch) as [number, number, number]
      yield* settle(batch, done(a), retry(b, 60_000), dead(c))
      yield* claim()
      const rows = yield* sql`select status, trace_id, request_id, op, entity_type, entity_version, attempts
      from search_outbox_events order by id`
      const said = {
        trace_id: context.traceparent.slice(3, 35),
        request_id: "r-9",
        op: "upsert",
        entity_type: "tag",
        entity_version: 1,
        attempts: 1
      }
      const statuses = ["done", "pending", "dead", "processing"]
      assert.deepStrictEqual(rows.map((row) => ({ ...row })), statuses.map((status) => ({ status, ...said })))
      const ended = yield* sql`select event_id::int, attempt, worker, result, outcome, error_type, trace_id,
      claimed_at <= ended_at as in_order from outbox_attempts order by event_id`
      const attempt = { attempt: 1, worker: "w-trace", trace_id: said.trace_id, in_order: true }
      assert.deepStrictEqual(ended.map((row) => ({ ...row })), [
        { event_id: a, ...attempt, result: "ok", outcome: "acked", error_type: null },
        { event_id: b, ...attempt, result: "failed", outcome: "retry_scheduled", error_type: "es_429" },
        { event_id: c, ...attempt, result: "failed", outcome: "dead_lettered", error_type: "es_mapping" }
      ])
    }).pipe(fresh))

  it.effect("a trace context that nobody could follow is refused by the table itself", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      for (const traceparent of ["noop", "", `${context.traceparent}-x`, context.traceparent.toUpperCase()]) {
        const exit = yield* Effect.exit(commit(changeOf()).pipe(tracedAs({ traceparent, tracestate: null })))
        assert.strictEqual(exit._tag, "Failure", traceparent)
      }
      const long = yield* Effect.exit(
        commit(changeOf()).pipe(tracedAs({ ...context, tracestate: "k=".padEnd(513, "v") }))
      )
      assert.strictEqual(long._tag, "Failure")
      assert.deepStrictEqual(yield* sql`select id from search_outbox_events`, [])
      yield* commit(changeOf()).pipe(tracedAs({ ...context, tracestate: "k=".padEnd(512, "v") }))
    }).pipe(fresh))

  it.effect("finished rows are out of the way of those that wait", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* commitMany(4)
      const batch = yield* claim()
      yield* settle(batch, ...idsOf(batch).map((id, at) => at === 0 ? dead(id) : done(id)))
      assert.deepStrictEqual(yield* sql`select id from outbox_search`, [])
      assert.strictEqual((yield* sql`select id from search_outbox_events`).length, 4)
      assert.strictEqual((yield* sql`select id from chronicle_outbox_events`).length, 4)
    }).pipe(fresh))
})
