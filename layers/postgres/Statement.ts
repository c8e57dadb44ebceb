/** One SQL statement, as a span and a metric show it: its operation, its table and how many rows; never its values. */
import { Clock, Effect } from "effect"
import { dbQueries, dbQueryDuration, type operations, type tables } from "../../src/telemetry/Metrics.ts"
import { withoutStack } from "../../src/telemetry/Spans.ts"
import { StoreAttributes } from "../../src/telemetry/StoreAttributes.ts"

export type Operation = typeof operations[number]

export type Table = typeof tables[number]

/** `db.{operation}` around a statement; the library's own span for it is silenced. */
export const statement = <A, E, R>(
  operation: Operation,
  table: Table,
  effect: Effect.Effect<ReadonlyArray<A>, E, R>
): Effect.Effect<ReadonlyArray<A>, E, R> =>
  Effect.flatMap(StoreAttributes, (store) =>
    Effect.withTracerEnabled(effect, false).pipe(
      Effect.tap((rows) => Effect.annotateCurrentSpan({ rows: rows.length, rows_affected: rows.length })),
      Effect.withSpan(`db.${operation}`, {
        kind: "client",
        attributes: { ...store, operation, table, "db.operation.name": operation, "db.collection.name": table }
      }, withoutStack)
    )).pipe(measured(operation, table))

/** Counts and times a statement without a span of its own, also one that fails. */
export const measured = (operation: Operation, table: Table) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Clock.currentTimeNanos, (startedAt) =>
    Effect.onExit(effect, () =>
      Effect.gen(function*() {
        const seconds = Number((yield* Clock.currentTimeNanos) - startedAt) / 1e9
        yield* dbQueries.add({ operation, table })
        yield* dbQueryDuration.observe({ operation, table }, seconds)
      })))

/** Without any span: polling and housekeeping must not fill the trace store. */
export const silent = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.withTracerEnabled(effect, false)
