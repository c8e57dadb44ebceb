/**
 * Which traces can be looked at: those that are exported, be it because they were sampled or because they turned out to
 * be worth it.
 *
 * That is decided when a trace's part in this process ends, and may change once another process finds it worth keeping.
 * So whoever points at a trace from elsewhere, as an exemplar does, notes its id with the observation and waits for the
 * decision: `subscribe` hears of each, and `isExported` tells of those that are known already.
 */
import { Context } from "effect"

export interface KeptTraces {
  /** A sampled trace is, whatever else is found of it. */
  readonly isExported: (traceId: string, isSampled: boolean) => boolean
  /**
   * `onDecided` is called in the middle of the work whose span ended: `true` when the trace is exported, `false` when
   * it is not so far. It must be quick, and what it throws is swallowed. Answers how to unsubscribe.
   */
  readonly subscribe: (onDecided: (traceId: string, isKept: boolean) => void) => () => void
}

/** Without an exporter no trace can be looked at. */
export const KeptTraces = Context.Reference<KeptTraces>("wordloom/telemetry/KeptTraces", {
  defaultValue: () => ({ isExported: () => false, subscribe: () => () => {} })
})
