/** What PostgreSQL's refusals mean: by SQLSTATE, never by text. */
import { Effect } from "effect"
import { SqlError } from "effect/sql"
import { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"

export const sqlState = (error: SqlError.SqlError): string | undefined =>
  (error.reason.cause as { readonly code?: string } | undefined)?.code

/** The constraint that a write broke, if that is what happened. */
export const constraintOf = (error: SqlError.SqlError): string | undefined =>
  (error.reason.cause as { readonly constraint?: string } | undefined)?.constraint

/**
 * 57P01-03: shutting down or starting; 53xxx: out of connections or memory; 25P03, 57014: timed out; 55000, 3D000: the
 * server takes nobody to this database.
 */
const away = new Set(
  ["57P01", "57P02", "57P03", "53000", "53100", "53200", "53300", "53400", "25P03", "57014", "55000", "3D000"]
)

/** No session came about; what was asked in it was never looked at. */
const unreached = new Set(["ConnectionError", "AuthenticationError"])

const unavailable = (error: SqlError.SqlError): boolean => {
  const state = sqlState(error) ?? ""
  return error.isRetryable || unreached.has(error.reason._tag) || away.has(state) || state.startsWith("08")
}

/** The database is away: `StoreUnavailable`. Anything else that is still an `SqlError` here is a bug of ours. */
export const orUnavailable = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, Exclude<E, SqlError.SqlError> | StoreUnavailable, R> =>
  Effect.catch(
    effect,
    (error): Effect.Effect<never, Exclude<E, SqlError.SqlError> | StoreUnavailable> =>
      SqlError.isSqlError(error)
        ? unavailable(error) ? Effect.fail(new StoreUnavailable({ cause: error })) : Effect.die(error)
        : Effect.fail(error as Exclude<E, SqlError.SqlError>)
  ).pipe(defectsToo)

/** A connection that breaks between a write and its end fails the rollback too, which the library takes for a bug. */
const defectsToo = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | StoreUnavailable, R> =>
  Effect.catchDefect(effect, (defect) =>
    defect instanceof StoreUnavailable
      ? Effect.fail(defect)
      : SqlError.isSqlError(defect) && unavailable(defect)
      ? Effect.fail(new StoreUnavailable({ cause: defect }))
      : Effect.die(defect))
