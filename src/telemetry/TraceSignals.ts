/**
 * How processes tell each other of traces that are worth keeping; small, late by a few seconds, and free to be lost: it
 * is never part of a business transaction, and nothing waits for it.
 */
import { Context, type Duration, type Effect } from "effect"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"
import type { Signal } from "./TraceKeeping.ts"

export class TraceSignals extends Context.Service<TraceSignals, {
  /** Once found, a trace stays found. */
  readonly write: (signals: ReadonlyArray<Signal>) => Effect.Effect<void, StoreUnavailable>
  /** Ids of the traces that were first written within that time, the latest first. */
  readonly recent: (within: Duration.Duration) => Effect.Effect<ReadonlyArray<string>, StoreUnavailable>
  /**
   * Of these spans, those that the caller is to rebuild: their trace is not found, and nobody was told to rebuild them
   * before.
   */
  readonly claim: (
    spans: ReadonlyArray<{ readonly traceId: string; readonly spanId: string }>
  ) => Effect.Effect<ReadonlySet<string>, StoreUnavailable>
  /** Forgets what is older. */
  readonly purge: (olderThan: Duration.Duration) => Effect.Effect<void, StoreUnavailable>
}>()("wordloom/telemetry/TraceSignals") {}
