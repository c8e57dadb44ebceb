/** Tells metrics and log of a settled batch. */
import { Effect, type Tracer } from "effect"
import { reasonOf } from "../outbox/ErrorType.ts"
import type { Projection } from "../outbox/Projection.ts"
import { CurrentRequest } from "../telemetry/CurrentRequest.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import { withoutStack } from "../telemetry/Spans.ts"
import { type BatchFacts, comesBackWith, isQuiet, outcomeOf, type RowFacts } from "./RowFacts.ts"

const count = Effect.fnUntraced(function*(projection: Projection, rows: ReadonlyArray<RowFacts>) {
  const tally = new Map<string, { readonly row: RowFacts; by: number }>()
  for (const row of rows) {
    const key = row.held ? `${row.settlement._tag} ${comesBackWith(row) ?? errorOf(row)}` : "lost"
    const known = tally.get(key)
    if (known === undefined) tally.set(key, { row, by: 1 })
    else known.by++
  }
  for (const { by, row } of tally.values()) {
    const back = comesBackWith(row)
    const ok = row.held && row.settlement._tag === "Done"
    const untried = row.held && row.settlement._tag === "Release" && back === undefined
    if (!untried) yield* Metrics.processed.add({ projection, result: ok ? "ok" : "failed" }, by)
    if (!row.held) yield* Metrics.guardMisses.add({ projection }, by)
    else if (back !== undefined) yield* Metrics.retries.add({ projection, reason: reasonOf(back) }, by)
    else if (row.settlement._tag === "Dead") {
      yield* Metrics.deadRows.add({ projection, error_type: row.settlement.errorType }, by)
    }
  }
})

const errorOf = ({ settlement }: RowFacts) => settlement._tag === "Dead" ? settlement.errorType : ""

const observeTimes = Effect.fnUntraced(function*(
  facts: BatchFacts,
  rows: ReadonlyArray<RowFacts>,
  spans: ReadonlyMap<number, Tracer.Span>
) {
  const { projection } = facts.batch
  const context = yield* Effect.context()
  const labels = { projection }
  const endedAt = Number((facts.endedAt - facts.offset) / 1_000n)
  // An effect per row would cost a batch more than its settlement.
  for (const { delivery, held, settlement } of rows) {
    const span = spans.get(delivery.id) ?? null
    Metrics.wait.observeUnsafe(labels, Math.max(0, (facts.batch.claimedAt - delivery.readyAt) / 1e6), context, span)
    if (held && settlement._tag === "Done") {
      Metrics.lag.observeUnsafe(labels, Math.max(0, (endedAt - delivery.createdAt) / 1e6), context, span)
    }
  }
})

const logRow = (projection: Projection, row: RowFacts) => {
  const { delivery, outcome } = row
  const fields = {
    projection,
    event_id: delivery.id,
    entity_type: delivery.kind,
    entity_id: delivery.entityId,
    attempt: delivery.attempt,
    outcome: outcomeOf(row),
    ...(outcome._tag === "Failed" ? { error_type: outcome.failure.errorType, error: outcome.failure.detail } : {})
  }
  return row.held && comesBackWith(row) !== undefined
    ? Effect.logWarning("a change is tried again", fields)
    : Effect.logError("a change was not delivered", fields)
}

/** Under the request's trace and id, so that a log search for either finds the worker's line too. */
const logRows = (projection: Projection, rows: ReadonlyArray<RowFacts>, spans: ReadonlyMap<number, Tracer.Span>) =>
  Effect.forEach(rows.filter((row) => !isQuiet(row)), (row) => {
    const span = spans.get(row.delivery.id)
    const line = logRow(projection, row).pipe(
      Effect.provideService(CurrentRequest, { requestId: row.delivery.requestId, actor: row.delivery.actor })
    )
    return span === undefined ? line : Effect.withParentSpan(span, withoutStack)(line)
  }, { discard: true })

/** `spans` are the rows' own, where they have some. */
export const report = Effect.fnUntraced(function*(
  facts: BatchFacts,
  rows: ReadonlyArray<RowFacts>,
  spans: ReadonlyMap<number, Tracer.Span>
) {
  yield* logRows(facts.batch.projection, rows, spans)
  yield* count(facts.batch.projection, rows)
  yield* observeTimes(facts, rows, spans)
})
