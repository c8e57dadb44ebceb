/** The schema, step by step. A step that has landed is never edited; a new one follows it. */
import { Effect } from "effect"
import { Migrator, SqlClient, SqlError } from "effect/sql"
import { entities } from "./migrations/0001_entities.ts"
import { outbox } from "./migrations/0002_outbox.ts"
import { readModels } from "./migrations/0003_read_models.ts"
import { imports } from "./migrations/0004_imports.ts"
import { lanes } from "./migrations/0005_lanes.ts"
import { revisions } from "./migrations/0006_revisions.ts"
import { fanOuts } from "./migrations/0007_fan_outs.ts"
import { searchBuilds } from "./migrations/0008_search_builds.ts"
import { reconcile } from "./migrations/0009_reconcile.ts"
import { traceKeep } from "./migrations/0010_trace_keep.ts"
import { explain } from "./migrations/0011_explain.ts"
import { realtime } from "./migrations/0012_realtime.ts"
import { deadLookUps } from "./migrations/0013_dead_lookups.ts"
import { backlogLookUps } from "./migrations/0014_backlog_lookups.ts"
import { sqlState } from "./PostgresErrors.ts"

/** Numbers may be left out, but a later step has a higher one. */
const steps: ReadonlyArray<readonly [id: number, name: string, statements: ReadonlyArray<string>]> = [
  [1, "entities", entities],
  [2, "outbox", outbox],
  [3, "read_models", readModels],
  [4, "imports", imports],
  [5, "lanes", lanes],
  [6, "revisions", revisions],
  [7, "fan_outs", fanOuts],
  [8, "search_builds", searchBuilds],
  [9, "reconcile", reconcile],
  [10, "trace_keep", traceKeep],
  [11, "explain", explain],
  [12, "realtime", realtime],
  [13, "dead_lookups", deadLookUps],
  [14, "backlog_lookups", backlogLookUps]
]

export const table = "wordloom_migrations"

const apply = (statements: ReadonlyArray<string>) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => Effect.forEach(statements, (text) => sql.unsafe(text), { discard: true })
  )

const loader = Migrator.fromRecord(
  Object.fromEntries(
    steps.map(([id, name, statements]) => [`${String(id).padStart(4, "0")}_${name}`, apply(statements)])
  )
)

export const all = steps.length

/** How many steps the database still lacks; `all` of them when it is empty. */
export const missing = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [known] = yield* sql<{ readonly there: boolean }>`select to_regclass(${table}) is not null as there`
  if (known?.there !== true) return all
  const [last] = yield* sql<{ readonly last: number }>`
    select coalesce(max(migration_id), 0) as last from ${sql(table)}`
  return steps.filter(([id]) => id > (last?.last ?? 0)).length
})

/**
 * A session that saw no table yet may go on believing so after another has made it: Effect's migrator then tries to
 * make it again, and asks once more within the transaction that this has failed. Nothing was done, so it begins anew.
 */
const isAborted = (error: unknown) => SqlError.isSqlError(error) && sqlState(error) === "25P02"

/**
 * Brings the schema up and answers the steps that it took. Idempotent, and safe when several programs start at once: a
 * lock lets one in, the others find nothing left to do. A database that is up to date is only read.
 */
export const migrate = Effect.gen(function*() {
  if ((yield* missing) === 0) return []
  const sql = yield* SqlClient.SqlClient
  const applied = yield* sql.withTransaction(
    Effect.gen(function*() {
      // Whoever comes second waits for the first one's steps, and a step on a large table may take its time.
      yield* sql`set local lock_timeout = '10min'`
      yield* sql`set local statement_timeout = '10min'`
      // Effect's migrator locks its own table, but two programs may still race to create it.
      yield* sql`select pg_advisory_xact_lock(hashtextextended('wordloom.migrate', 0))`
      return yield* Migrator.make({})({ loader, table })
    })
  )
  return applied.map(([id, name]) => `${String(id).padStart(4, "0")}_${name}`)
}).pipe(
  Effect.retry({ times: 3, while: isAborted }),
  Effect.withTracerEnabled(false)
)
