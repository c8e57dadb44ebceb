/** One SQL statement, as a span and a metric show it: its operation, its table and how many rows; never its values. */
import { Context, Duration, Effect } from "effect"
import { dbQueries, dbQueryDuration, type operations, type tables } from "../../src/telemetry/Metrics.ts"

export type Operation = typeof operations[number]

export type Table = typeof tables[number]

/** What the span of a statement says of its database: trace stores draw a node for it by these. */
export const SpokenTo = Context.Reference<Readonly<Record<string, string | number>>>(
  "wordloom/postgres/Statement/SpokenTo",
  { defaultValue: () => ({ "db.system.name": "postgresql" }) }
)

/** `db.{operation}` around a statement; the library's own span for it is silenced. */
export const statement = <A, E, R>(
  operation: Operation,
  table: Table,
  effect: Effect.Effect<ReadonlyArray<A>, E, R>
): Effect.Effect<ReadonlyArray<A>, E, R> =>
  Effect.flatMap(SpokenTo, (database) =>
    Effect.withTracerEnabled(effect, false).pipe(
      Effect.tap((rows) => Effect.annotateCurrentSpan({ rows: rows.length, rows_affected: rows.length })),
      Effect.withSpan(`db.${operation}`, {
        kind: "client",
        attributes: {
          operation,
          table,
          ...database,
          "db.operation.name": operation,
          "db.collection.name": table
        }
      }),
      measured(operation, table)
    ))

/** Counts and times a statement without a span of its own. */
export const measured = (operation: Operation, table: Table) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.timed(effect), ([elapsed, value]) =>
    Effect.as(
      Effect.andThen(
        dbQueries.add({ operation, table }),
        dbQueryDuration.observe({ operation, table }, Duration.toSeconds(elapsed))
      ),
      value
    ))

/** Without any span: polling and housekeeping must not fill the trace store. */
export const silent = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.withTracerEnabled(effect, false)
