/** Writes every change into the chronicle, each version once. */
import { DateTime, Effect, Layer, Result } from "effect"
import { type Delivered, Destination } from "../delivery/Destination.ts"
import { timed } from "../delivery/EngineCall.ts"
import { storeFailed } from "../delivery/Failure.ts"
import type { Outcome } from "../delivery/Settlement.ts"
import { parseTraceparent } from "../domain/TraceContext.ts"
import type { Delivery } from "../outbox/Leases.ts"
import { StoreAttributes } from "../telemetry/StoreAttributes.ts"
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

    const deliver = Effect.fnUntraced(function*(rows: ReadonlyArray<Delivery>) {
      const told = chronicle.append(rows.map(entryOf))
      const { call, result } = yield* timed("chronicle.append", {
        ...(yield* StoreAttributes),
        table: "chronicle_entries",
        "db.collection.name": "chronicle_entries",
        "db.operation.batch.size": rows.length
      }, told)
      const outcomeOf = (at: number): Outcome =>
        Result.isFailure(result)
          ? { _tag: "Failed", failure: storeFailed }
          : { _tag: result.success[at] === true ? "Written" : "Superseded" }
      const outcomes = new Map(rows.map((row, at) => [row.id, outcomeOf(at)]))
      const refused = Result.isFailure(result) ? storeFailed : undefined
      return { calls: [call], outcomes, refused } satisfies Delivered
    })

    return Destination.of({ deliver })
  })
)
