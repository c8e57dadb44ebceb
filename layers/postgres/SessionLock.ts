/** A lock that ends with the session that holds it: what a process that is killed held is free again. */
import type * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Schedule } from "effect"

/** A process that was killed a moment ago holds its lock until the server has noticed. */
const patience = Schedule.max([Schedule.spaced("100 millis"), Schedule.recurs(10)])

/** Until the scope closes. `taken` says what it means that somebody else has it. */
export const hold = Effect.fnUntraced(function*<E>(sql: PgClient.PgClient, name: string, taken: () => E) {
  // A session of its own: the pool may close an idle one, and the lock with it.
  const session = yield* sql.reserve
  const take = session.execute("select pg_try_advisory_lock(hashtextextended($1, 0)) as got", [name], undefined)
  const got = yield* Effect.map(take, (rows) => (rows[0] as { readonly got?: boolean } | undefined)?.got === true).pipe(
    Effect.repeat({ schedule: patience, until: (got) => got })
  )
  if (!got) return yield* Effect.fail(taken())
  yield* Effect.addFinalizer(() => Effect.ignore(session.execute("select pg_advisory_unlock_all()", [], undefined)))
})
