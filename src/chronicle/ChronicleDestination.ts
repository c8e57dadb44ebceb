/** Writes every change into the chronicle, each version once. */
import { DateTime, Effect, Layer } from "effect"
import { type Delivered, Destination } from "../delivery/Destination.ts"
import { timed } from "../delivery/EngineCall.ts"
import { parseTraceparent } from "../domain/TraceContext.ts"
import type { Delivery } from "../outbox/Leases.ts"
import { Chronicle, type ChronicleEntry } from "./Chronicle.ts"

const entryOf = (row: Delivery): ChronicleEntry => ({
  entity_type: row.kind,
  entity_id: row.entityId,
  version: row.version,
  op: row.op,
  actor: row.actor,
  changes: row.fields,
  at: DateTime.makeUnsafe(row.createdAt / 1000),
  request_id: row.requestId,
  trace_id: parseTraceparent(row.trace?.traceparent)?.traceId ?? null
})

export const layer = Layer.effect(
  Destination,
  Effect.gen(function*() {
    const chronicle = yield* Chronicle

    const deliver = (rows: ReadonlyArray<Delivery>): Effect.Effect<Delivered> =>
      timed("chronicle.append", { table: "chronicle_entries" }, chronicle.append(rows.map(entryOf))).pipe(
        Effect.map(({ call, value }): Delivered => ({
          calls: [call],
          outcomes: new Map(rows.map((row, at) => [row.id, { _tag: value[at] === true ? "Written" : "Superseded" }]))
        })),
        Effect.catchTag("StoreUnavailable", () =>
          Effect.succeed<Delivered>({
            calls: [],
            outcomes: new Map(rows.map((row) => [row.id, {
              _tag: "Failed",
              failure: { class: "transient", errorType: "pg_unavailable", detail: "the database did not answer" }
            }]))
          }))
      )

    return Destination.of({ deliver })
  })
)
