/** Holds a worker's name for as long as its session lives; `kill -9` frees it with the connection. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Deferred, Effect, Layer, Schedule } from "effect"
import type { SqlError } from "effect/sql"
import { WorkerIdentity, WorkerIdTaken } from "../../src/delivery/WorkerIdentity.ts"
import { Settings } from "../../src/settings/Settings.ts"
import { orUnavailable } from "./PostgresErrors.ts"

/** How soon a lost session is noticed, and its name taken again. */
const lookEvery = "1 second"

/**
 * Takes the name in a session of its own and stays in it; fails when the session is lost, or the name is taken.
 *
 * A process that has worked under it goes on doing so when another has taken it meanwhile. The shared lock, which both
 * have then, lets `doctor` see that they are two.
 */
const hold = (id: string, first: Deferred.Deferred<void, WorkerIdTaken | SqlError.SqlError>) =>
  Effect.gen(function*() {
    const sql = yield* PgClient.PgClient
    // The pool may close an idle session, and the lock with it.
    const session = yield* sql.reserve
    // Before others get the session; where it is lost, its locks are, too.
    yield* Effect.addFinalizer(() =>
      session.execute("select pg_advisory_unlock_all()", [], undefined).pipe(
        Effect.interruptible,
        Effect.timeoutOption(lookEvery),
        Effect.ignore
      )
    )
    const ask = (text: string) => session.execute(text, [id], undefined)
    yield* ask("select pg_advisory_lock_shared(hashtextextended('wordloom.worker.process.' || $1, 0))")
    const tryName = Effect.map(
      ask("select pg_try_advisory_lock(hashtextextended('wordloom.worker.' || $1, 0)) as got"),
      (rows) => (rows[0] as { readonly got?: boolean } | undefined)?.got === true
    )
    let isMine = yield* tryName
    if (!isMine && !(yield* Deferred.isDone(first))) return yield* new WorkerIdTaken({ id })
    yield* Deferred.succeed(first, undefined)
    for (;;) {
      yield* Effect.sleep(lookEvery)
      if (isMine) yield* session.execute("select 1", [], undefined)
      else isMine = yield* tryName
    }
  }).pipe(Effect.scoped)

export const layer = (id: string) =>
  Layer.effect(
    WorkerIdentity,
    Effect.gen(function*() {
      const { projections } = yield* Settings
      const sql = yield* PgClient.PgClient
      const first = yield* Deferred.make<void, WorkerIdTaken | SqlError.SqlError>()
      yield* hold(id, first).pipe(
        Effect.tapError((error) => Deferred.fail(first, error)),
        Effect.retry(Schedule.spaced(lookEvery)),
        Effect.forkScoped
      )
      yield* Deferred.await(first)
      const [line] = yield* sql<{ readonly since: string }>`
        insert into outbox_workers (id, projections) values (${id}, ${projections}::text[])
        on conflict (id) do update set projections = excluded.projections, started_at = clock_timestamp(),
          seen_at = clock_timestamp()
        returning started_at::text as since`
      // Not the line of another that has taken the name since.
      yield* Effect.addFinalizer(() =>
        Effect.ignore(
          sql`delete from outbox_workers where id = ${id} and started_at = ${line!.since}::timestamptz`
        )
      )
      return WorkerIdentity.of({ id })
    }).pipe(orUnavailable, Effect.withTracerEnabled(false))
  )
