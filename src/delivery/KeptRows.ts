/**
 * Which rows of a batch are told at once, and which only if their trace turns out worth it.
 *
 * A row whose trace was sampled, failed, or is kept by now is told; the others cost next to nothing, but are remembered
 * for a while. Whoever keeps a trace for a row also says where the row came from, in case that is gone.
 */
import { isSampled, type TraceContext } from "../domain/TraceContext.ts"
import type { DatabaseMicros, Delivery, LostAttempt } from "../outbox/Leases.ts"
import type { Projection } from "../outbox/Projection.ts"
import { isSlow, isSlowWait, type KeepRule } from "../telemetry/KeepRule.ts"
import type { SpanBudget } from "../telemetry/SpanBudget.ts"
import type { Origin, TraceKeeping, Untold } from "../telemetry/TraceKeeping.ts"
import { type BatchFacts, isQuiet, type Nanos, type RowFacts } from "./RowFacts.ts"

export const toNanos = (at: DatabaseMicros, offset: Nanos): Nanos => BigInt(Math.round(at)) * 1_000n + offset

/** Wait, process, claim and ack; the far side's calls come on top. */
const spansAround = 4

/** What a remembered row takes, about: its copy and the texts that belong to it. */
const rowBytes = 700

const traceIdOf = ({ traceparent }: TraceContext) => traceparent.slice(3, 35)

/** An earlier attempt of it failed or was lost. */
const hasFailedBefore = ({ attempt, reclaimed }: Delivery) => attempt > 1 || reclaimed

const isWorthIt = (rule: KeepRule, facts: BatchFacts, row: RowFacts, handled: Nanos): boolean => {
  if (rule.reasons.has("error") && (!isQuiet(row) || hasFailedBefore(row.delivery))) return true
  if (!rule.reasons.has("slow")) return false
  return isSlow(rule, handled) || (
    rule.slowWait !== undefined &&
    isSlowWait(rule, facts.claimedAt - toNanos(row.delivery.readyAt, facts.offset))
  )
}

const originOf = (
  trace: TraceContext,
  projection: Projection,
  createdAt: DatabaseMicros,
  offset: Nanos
): Origin => ({ trace, projection, createdAt: toNanos(createdAt, offset) })

export const sorted = (
  facts: BatchFacts,
  rows: ReadonlyArray<RowFacts>,
  budget: SpanBudget,
  keeping: TraceKeeping
) => {
  const told: Array<RowFacts> = []
  const untold: Array<RowFacts> = []
  const { rule } = keeping
  const isKeeping = rule.reasons.size > 0
  const spans = spansAround + facts.calls.length
  const handled = facts.endedAt - facts.claimedAt
  const isTold = (trace: TraceContext, row: RowFacts): boolean => {
    const wasSampled = isSampled(trace)
    const isBegun = facts.begun.has(row.delivery.id)
    if (wasSampled || !isKeeping) return isBegun || !isQuiet(row) || budget.allows(wasSampled, spans)
    const traceId = traceIdOf(trace)
    // A trace is kept whole or not at all, so it is not begun where there is no room for it.
    if (isWorthIt(rule, facts, row, handled) && (!isQuiet(row) || budget.allows(true, spans))) {
      keeping.keep(traceId, originOf(trace, facts.batch.projection, row.delivery.createdAt, facts.offset))
      return true
    }
    if (isBegun || (keeping.isKept(traceId) && budget.allows(true, spans))) return true
    untold.push(row)
    return false
  }
  for (const row of rows) {
    const { trace } = row.delivery
    if (trace !== null && isTold(trace, row)) told.push(row)
  }
  return { told, untold }
}

/** What changed is told by no span, and would be most of what is remembered. */
const remembered = (row: RowFacts): RowFacts =>
  row.delivery.fields.length === 0 ? row : { ...row, delivery: { ...row.delivery, fields: [] } }

export const heldRows = (rows: ReadonlyArray<RowFacts>, tell: (row: RowFacts) => void): Untold => {
  const lean = rows.map(remembered)
  return {
    traceIds: rows.map(({ delivery: { trace } }) => traceIdOf(trace!)),
    bytes: rows.length * rowBytes,
    tell: (traceId) => {
      for (const row of lean) if (traceIdOf(row.delivery.trace!) === traceId) tell(row)
    }
  }
}

/** The attempt that a killed worker could not tell of is an error. */
export const keepLost = (keeping: TraceKeeping, projection: Projection, lost: LostAttempt, offset: Nanos): void => {
  const { claimedAt, trace } = lost
  if (trace === null || isSampled(trace) || !keeping.rule.reasons.has("error")) return
  // The row was there at the latest then.
  keeping.keep(traceIdOf(trace), originOf(trace, projection, claimedAt, offset))
}
