/** What all programs on one database know of it and no caller does: when and as what it was made. */
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { table } from "./Migrations.ts"
import { silent } from "./Statement.ts"

/**
 * Good enough to keep callers from choosing which of their traces are kept; whoever may ask for more has to show a
 * secret from the settings.
 */
export const databaseKey = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* silent(sql<{ readonly key: string }>`
    select oid || ' ' || (select extract(epoch from min(created_at)) from ${sql(table)}) as key
    from pg_database where datname = current_database()`)
  return Redacted.make(row?.key ?? "")
})
