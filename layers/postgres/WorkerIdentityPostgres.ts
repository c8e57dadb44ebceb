/** Holds a worker's name for as long as its session lives; `kill -9` frees it with the connection. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Deferred, Effect, Layer, Schedule } from "effect"
import type { SqlError } from "effect/sql"
import { WorkerIdentity, WorkerIdTaken } from "../../src/delivery/WorkerIdentity.ts"
import { Settings } from "../../src/settings/Settings.ts"
import { orUnavailable } from "./PostgresErrors.ts"

/** How soon a lost session is noticed, and its name taken again. */
const lookEvery = "1 second"

/** Takes the name in a session of its own and stays in it; fails when the name is taken or the session is lost. */
const hold = (id: string, taken: Effect.Effect<unknown>) =>
  Effect.gen(function*() {
    const sql = yield* PgClient.PgClient
    // The pool may close an idle session, and the lock with it.
    const session = yield* sql.reserve
    const rows = yield* session.execute(
      "select pg_try_advisory_lock(hashtextextended('wordloom.worker.' || $1, 0)) as got",
      [id],
      undefined
    )
    if ((rows[0] as { readonly got?: boolean } | undefined)?.got !== true) return yield* new WorkerIdTaken({ id })
    yield* taken
    return yield* Effect.andThen(session.execute("select 1", [], undefined), Effect.sleep(lookEvery)).pipe(
      Effect.forever
    )
  }).pipe(Effect.scoped)

export const layer = (id: string) =>
  Layer.effect(
    WorkerIdentity,
    Effect.gen(function*() {
      const { projections } = yield* Settings
      const sql = yield* PgClient.PgClient
      const first = yield* Deferred.make<void, WorkerIdTaken | SqlError.SqlError>()
      yield* hold(id, Deferred.succeed(first, undefined)).pipe(
        Effect.tapError((error) => Deferred.fail(first, error)),
        Effect.retry(Schedule.spaced(lookEvery)),
        Effect.forkScoped
      )
      yield* Deferred.await(first)
      yield* sql`
        insert into outbox_workers (id, projections) values (${id}, ${projections}::text[])
        on conflict (id) do update set projections = excluded.projections, started_at = clock_timestamp(),
          seen_at = clock_timestamp()`
      yield* Effect.addFinalizer(() => Effect.ignore(sql`delete from outbox_workers where id = ${id}`))
      return WorkerIdentity.of({ id })
    }).pipe(orUnavailable, Effect.withTracerEnabled(false))
  )
