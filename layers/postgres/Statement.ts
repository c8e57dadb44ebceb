/** One SQL statement, as a span and a metric show it: its operation, its table and how many rows; never its values. */
import { Duration, Effect, Metric } from "effect"
import { dbQueries, dbQueryDuration } from "../../src/telemetry/Metrics.ts"

export type Operation = "create" | "query" | "update" | "delete"

export type Table =
  | "tags"
  | "libraries"
  | "blocks"
  | "outbox"
  | "chronicle_entries"
  | "search_documents"
  | "idempotency_keys"
  | "realtime_sessions"
  | "realtime_messages"

/** `db.{operation}` around a statement; the library's own span for it is silenced. */
export const statement = <A, E, R>(
  operation: Operation,
  table: Table,
  effect: Effect.Effect<ReadonlyArray<A>, E, R>
): Effect.Effect<ReadonlyArray<A>, E, R> =>
  Effect.withTracerEnabled(effect, false).pipe(
    Effect.tap((rows) => Effect.annotateCurrentSpan({ rows: rows.length, rows_affected: rows.length })),
    Effect.withSpan(`db.${operation}`, {
      kind: "client",
      attributes: {
        operation,
        table,
        "db.system.name": "postgresql",
        "db.operation.name": operation,
        "db.collection.name": table
      }
    }),
    measured(operation, table)
  )

/** Counts and times a statement without a span of its own. */
export const measured = (operation: Operation, table: Table) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.timed(effect), ([elapsed, value]) =>
    Effect.as(
      Effect.andThen(
        Metric.update(Metric.withAttributes(dbQueries, { operation, table }), 1),
        Metric.update(Metric.withAttributes(dbQueryDuration, { operation, table }), Duration.toSeconds(elapsed))
      ),
      value
    ))

/** Without any span: polling and housekeeping must not fill the trace store. */
export const silent = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.withTracerEnabled(effect, false)
