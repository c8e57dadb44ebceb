/** Holds a worker's name for as long as its session lives; `kill -9` frees it with the connection. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Layer } from "effect"
import { WorkerIdentity, WorkerIdTaken } from "../../src/delivery/WorkerIdentity.ts"
import { Settings } from "../../src/settings/Settings.ts"
import { orUnavailable } from "./PostgresErrors.ts"

export const layer = (id: string) =>
  Layer.effect(
    WorkerIdentity,
    Effect.gen(function*() {
      const { projections } = yield* Settings
      const sql = yield* PgClient.PgClient
      // A session of its own: the pool may close an idle one, and the lock with it.
      const session = yield* sql.reserve
      const rows = yield* session.execute(
        "select pg_try_advisory_lock(hashtextextended('wordloom.worker.' || $1, 0)) as got",
        [id],
        undefined
      )
      if ((rows[0] as { readonly got?: boolean } | undefined)?.got !== true) return yield* new WorkerIdTaken({ id })
      yield* sql`
        insert into outbox_workers (id, projections) values (${id}, ${projections}::text[])
        on conflict (id) do update set projections = excluded.projections, started_at = clock_timestamp(),
          seen_at = clock_timestamp()`
      yield* Effect.addFinalizer(() => Effect.ignore(sql`delete from outbox_workers where id = ${id}`))
      return WorkerIdentity.of({ id })
    }).pipe(orUnavailable, Effect.withTracerEnabled(false))
  )
