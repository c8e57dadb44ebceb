/**
 * Traces that are kept although the baseline leaves them out, as one process knows of them.
 *
 * What a process saw of such a trace waits in a ring, bounded in time and bytes, until it is known whether the trace is
 * worth keeping; that may be found here or, later, in another process (`TraceSignals`).
 */
import { Context } from "effect"
import type { TraceContext } from "../domain/TraceContext.ts"
import type { Projection } from "../outbox/Projection.ts"
import { type KeepRule, nothing } from "./KeepRule.ts"

/** What a row knows of the span that left it; enough to tell of it when nobody else can any more. */
export interface Origin {
  readonly trace: TraceContext
  readonly projection: Projection
  /** Nanoseconds since 1970 by this process's clock. */
  readonly createdAt: bigint
}

/** Spans that are not made unless their trace is kept. */
export interface Untold {
  readonly traceIds: ReadonlyArray<string>
  /** Roughly what it takes to remember them. */
  readonly bytes: number
  readonly tell: (traceId: string) => void
}

export interface TraceKeeping {
  readonly rule: KeepRule
  readonly isKept: (traceId: string) => boolean
  /** From now on, and as far back as anybody remembers, in every process. */
  readonly keep: (traceId: string, origin?: Origin) => void
  readonly hold: (untold: Untold) => void
}

/** Without an exporter there is nothing to keep. */
export const TraceKeeping = Context.Reference<TraceKeeping>("wordloom/telemetry/TraceKeeping", {
  defaultValue: () => ({ rule: nothing, isKept: () => false, keep: () => {}, hold: () => {} })
})

/** What the exchange with other processes needs of it. */
export interface KeepExchanged {
  /** Traces that were kept here since the last call; `isFound`: the part that left its rows is exported. */
  readonly takeSignals: () => ReadonlyArray<Signal>
  /** What other processes keep; what waited here of those traces is exported. Answers how many were news. */
  readonly heard: (traceIds: ReadonlyArray<string>) => number
  /** The rows' origins that nobody seems to have found within `graceMs`. */
  readonly takeUnfound: (graceMs: number) => ReadonlyArray<Origin>
  /** Tells of them in their place. */
  readonly rebuild: (origins: ReadonlyArray<Origin>) => void
}

export interface Signal {
  readonly traceId: string
  readonly isFound: boolean
}

/** `undefined` where nothing is kept that would not be kept anyway. */
export const KeepExchanged = Context.Reference<KeepExchanged | undefined>("wordloom/telemetry/KeepExchanged", {
  defaultValue: () => undefined
})
