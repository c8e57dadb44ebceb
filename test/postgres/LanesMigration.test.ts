/** A database with work in it takes the step to lanes, and nothing in it is lost. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Migrator, SqlClient } from "effect/sql"
import { migrate } from "../../layers/postgres/Migrations.ts"
import { entities } from "../../layers/postgres/migrations/0001_entities.ts"
import { outbox } from "../../layers/postgres/migrations/0002_outbox.ts"
import { readModels } from "../../layers/postgres/migrations/0003_read_models.ts"
import { imports } from "../../layers/postgres/migrations/0004_imports.ts"
import * as PostgresClient from "../../layers/postgres/PostgresClient.ts"
import { freshDatabase } from "../support/PostgresForTests.ts"

const before = {
  "0001_entities": entities,
  "0002_outbox": outbox,
  "0003_read_models": readModels,
  "0004_imports": imports
}

const toStep4 = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const loader = Migrator.fromRecord(
    Object.fromEntries(
      Object.entries(before).map(([name, statements]) => [
        name,
        Effect.forEach(statements, (text) => sql.unsafe(text), { discard: true })
      ])
    )
  )
  yield* sql.withTransaction(Migrator.make({})({ loader, table: "wordloom_migrations" }))
})

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
const said = `'tag', gen_random_uuid(), 1, 'upsert', '${traceparent}', 'r-1'`
const columns = "entity_type, entity_id, entity_version, op, traceparent, request_id"

/** One row each that is ready, was given back, waits, is leased, done and dead, as the version before left them. */
const rows = [
  `insert into outbox_search (${columns}) values (${said})`,
  `insert into outbox_search (attempts, error_type, ${columns}) values (1, 'es_429', ${said})`,
  `insert into outbox_search (state, due_at, attempts, error_type, error_detail, ${columns})
    values (1, clock_timestamp() + interval '1 hour', 3, 'es_503', 'away', ${said})`,
  `insert into outbox_search (state, lease_token, lease_owner, lease_until, claimed_at, attempts, ${columns})
    values (2, gen_random_uuid(), 'w1', clock_timestamp() + interval '30 seconds', clock_timestamp(), 2, ${said})`,
  `insert into outbox_done (projection, id, outcome, claimed_at, attempts, lease_owner, ${columns})
    values ('search', 5, 'superseded', clock_timestamp(), 1, 'w1', ${said})`,
  `create table outbox_done_20260101 partition of outbox_done for values from ('2026-01-01') to ('2026-01-02')`,
  `insert into outbox_done (projection, id, outcome, claimed_at, processed_at, attempts, lease_owner, ${columns})
    values ('search', 6, 'acked', '2026-01-01', '2026-01-01 12:00', 4, 'w2', ${said})`,
  `insert into outbox_dead (projection, id, claimed_at, attempts, error_type, ${columns})
    values ('search', 7, clock_timestamp(), 10, 'es_mapping', ${said})`,
  `select setval(pg_get_serial_sequence('outbox_search', 'id'), 7)`,
  `insert into outbox_past_attempts (projection, event_id, attempt, worker, claimed_at, result, outcome, error_type)
    values ('search', 4, 1, 'w1', clock_timestamp(), 'failed', 'retry_scheduled', 'es_429')`
]

describe("the step to lanes", () => {
  it.live("keeps every row with its status, attempts and history, whatever was happening to it", () =>
    Effect.gen(function*() {
      const address = yield* freshDatabase
      yield* Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* toStep4
        for (const row of rows) yield* sql.unsafe(row)
        const events = sql`select id::int, entity_id, status, attempts, error_type, traceparent, request_id,
          lease_owner, processed_at is not null as ended from search_outbox_events order by id`
        const [old, applied] = [yield* events, yield* migrate]
        assert.include(applied, "0005_lanes")
        const kept = yield* events
        // The lease of the fourth has ended, so to speak.
        const expected = old.map((row) =>
          row["id"] === 4 ? { ...row, status: "pending", lease_owner: null, error_type: "lease_expired" } : { ...row }
        )
        assert.deepStrictEqual(kept.map((row) => ({ ...row })), expected)
        assert.deepStrictEqual(
          kept.map(({ attempts, status }) => [status, attempts].join(" ")),
          ["pending 0", "pending 1", "pending 3", "pending 2", "done 1", "done 4", "dead 10"]
        )
        const attempts = yield* sql`select event_id::int as id, attempt, worker, outcome from outbox_attempts
          order by event_id, attempt`
        assert.deepStrictEqual(attempts.map((row) => Object.values(row).join(" ")), [
          "4 1 w1 retry_scheduled",
          "4 2 w1 lease_lost",
          "5 1 w1 superseded",
          "6 4 w2 acked"
        ])
        const hot = yield* sql`select id::int, state, crashes, reclaimed, lane = get_byte(uuid_send(entity_id), 15) & 31
          as placed, due_at > clock_timestamp() as waits from outbox_search order by id`
        assert.deepStrictEqual(hot.map((row) => ({ ...row })), [
          { id: 1, state: 0, crashes: 0, reclaimed: false, placed: true, waits: false },
          { id: 2, state: 0, crashes: 0, reclaimed: false, placed: true, waits: false },
          { id: 3, state: 1, crashes: 0, reclaimed: false, placed: true, waits: true },
          { id: 4, state: 1, crashes: 0, reclaimed: true, placed: true, waits: false }
        ])
        const [next] = yield* sql.unsafe(`insert into outbox_search (${columns}) values (${said}) returning id::int`)
        assert.deepInclude(next, { id: 8 })
        assert.deepStrictEqual(yield* migrate, [])
      }).pipe(Effect.provide(PostgresClient.layer(address, { name: "test", pool: 2 })))
    }))
})
