/** The one connection by which a program counts as a user of the embedded server. */
import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import * as Net from "node:net"
import { username } from "./DataFolder.ts"
import { address } from "./Postmaster.ts"

export const database = "wordloom"

/**
 * Everyone attached holds this lock shared, and the one who gets it exclusively is the last. "wordloom" in ASCII; the
 * product's other advisory locks must use other keys. The server drops the lock with the connection, so that a program
 * that was killed does not count.
 */
const attachedKey = "8606216600190023533"

export interface Session {
  readonly port: number
  /** Completes when the connection is gone, whatever the reason. */
  readonly lost: Effect.Effect<void>
  /** Leaves, and tells whether this was the last user. If so nobody can attach until the session is closed. */
  readonly leave: Effect.Effect<boolean, SqlError>
  readonly close: Effect.Effect<void>
}

/**
 * `undefined` when the last user is just stopping the server: attaching now would be in vain. `keep` is told before
 * anything can interrupt, so that no session is ever held by nobody.
 */
export const attach = (
  port: number,
  password: Redacted.Redacted,
  keep: (session: Session) => void
): Effect.Effect<Session | undefined, SqlError> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const lost = yield* Deferred.make<void>()
      const connect = Effect.gen(function*() {
        const connection = yield* open(port, database, password, () => Deferred.doneUnsafe(lost, Effect.void))
        const attached = yield* answer(connection, `select pg_try_advisory_lock_shared(${attachedKey})`)
        return attached ? toSession(port, connection, scope, Deferred.await(lost)) : undefined
      })
      const session = yield* restore(Scope.provide(connect, scope)).pipe(
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
      if (session === undefined) yield* Scope.close(scope, Exit.void)
      else keep(session)
      return session
    })
  )

const toSession = (
  port: number,
  connection: PgConnection.PgConnection,
  scope: Scope.Closeable,
  lost: Effect.Effect<void>
): Session => ({
  port,
  lost,
  // The own share goes first. If it were kept until the lock was refused, two who leave together would refuse each
  // other, and the server would stay.
  leave: Effect.andThen(
    answer(connection, `select pg_advisory_unlock_shared(${attachedKey})`),
    answer(connection, `select pg_try_advisory_lock(${attachedKey})`)
  ),
  close: Scope.close(scope, Exit.void)
})

/** The first server on a new data folder has only PostgreSQL's own databases. Two programs may both see that. */
export const createDatabase = (port: number, password: Redacted.Redacted): Effect.Effect<void, SqlError> =>
  open(port, "postgres", password, () => {}).pipe(
    Effect.flatMap((connection) => connection.query(`create database ${database}`, [], false)),
    Effect.scoped,
    Effect.asVoid
  )

const open = (port: number, name: string, password: Redacted.Redacted, onClose: () => void) =>
  PgConnection.make({
    database: name,
    username,
    password,
    connectTimeout: "5 seconds",
    applicationName: "wordloom attached",
    // The connection itself does not tell when it ends, but its socket does.
    stream: () => Net.connect({ host: address, port, noDelay: true }).once("close", onClose)
  })

const answer = (connection: PgConnection.PgConnection, sql: string) =>
  Effect.map(connection.queryValues(sql, [], false), (rows) => rows[0]?.[0] === true)

/** SQLSTATE, or the system's code when there was no server to give one. */
export const codeOf = (error: SqlError): string | undefined =>
  (error.reason.cause as { readonly code?: string } | undefined)?.code
