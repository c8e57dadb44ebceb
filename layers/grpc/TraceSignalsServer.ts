/** Kept traces' signals for processes without a database, served beside logic. */
import { status } from "@grpc/grpc-js"
import { Duration, Effect } from "effect"
import { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import type { TraceSignals } from "../../src/telemetry/TraceSignals.ts"
import type { Service } from "./Served.ts"
import { requests } from "./SignalsProto.ts"

interface Refused {
  readonly code: status
  readonly details: string
}

const unavailable = (details: string): Refused => ({ code: status.UNAVAILABLE, details })

export const serviceOf = (
  { claim, purge, recent, write }: TraceSignals["Service"]
): Service<typeof requests, Refused | StoreUnavailable> => ({
  requests,
  handlers: {
    Write: ({ signals }) =>
      Effect.as(write(signals.map(({ is_found, trace_id }) => ({ traceId: trace_id, isFound: is_found }))), {}),
    Recent: ({ within_ms }) => Effect.map(recent(Duration.millis(within_ms)), (trace_ids) => ({ trace_ids })),
    Claim: ({ spans }) =>
      Effect.map(claim(spans.map(({ span_id, trace_id }) => ({ traceId: trace_id, spanId: span_id }))), (claimed) => ({
        span_ids: [...claimed]
      })),
    Purge: ({ older_than_ms }) => Effect.as(purge(Duration.millis(older_than_ms)), {})
  },
  within: (work) => Effect.withTracerEnabled(work, false),
  invalid: (details) => ({ code: status.INVALID_ARGUMENT, details }),
  unavailable,
  toStatus: (refused) => refused instanceof StoreUnavailable ? unavailable(refused.message) : refused
})
