/**
 * The `outbox.process` spans that have to be there before their row's outcome is known.
 *
 * A row's spans are written once it is settled. But what a message bus carries on names the span that it was sent in.
 * So whoever sends one begins the row's span earlier; the rest of the attempt is told in it as always.
 */
import { Context, Option, type Tracer } from "effect"
import type { Delivery } from "../outbox/Leases.ts"
import type { TraceCarrier } from "../telemetry/TraceCarrier.ts"
import type { Nanos } from "./RowFacts.ts"

export interface ProcessSpans {
  /** The row's own, begun with its claim; `undefined` for a row without a trace. */
  readonly begin: (row: Delivery) => Tracer.Span | undefined
}

/** Outside a batch there are none. */
export const ProcessSpans = Context.Reference<ProcessSpans>("wordloom/delivery/ProcessSpans", {
  defaultValue: () => ({ begin: () => undefined })
})

export interface Begun extends ProcessSpans {
  readonly byRow: ReadonlyMap<number, Tracer.Span>
}

export const make = (tracer: Tracer.Tracer, carrier: TraceCarrier, startedAt: Nanos): Begun => {
  const byRow = new Map<number, Tracer.Span>()
  return {
    byRow,
    begin: (row) => {
      const known = byRow.get(row.id)
      const parent = known === undefined ? carrier.extract(row.trace) : undefined
      if (parent === undefined) return known
      const span = tracer.span({
        name: "outbox.process",
        parent: Option.some(parent),
        annotations: Context.empty(),
        links: [],
        startTime: startedAt,
        kind: "consumer",
        root: false,
        sampled: parent.sampled
      })
      byRow.set(row.id, span)
      return span
    }
  }
}
