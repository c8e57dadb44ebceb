/**
 * Whether spans that are written after the fact would be kept at all.
 *
 * A worker writes the spans of thousands of rows a second from times that it noted. Those that nobody will see, because
 * their trace is not sampled or the exporter cannot keep up, are better not made.
 */
import { Context } from "effect"

export interface SpanBudget {
  /**
   * Asked before `spans` ordinary spans of a trace with this sampled flag are made; what failed is told in any case.
   */
  readonly allows: (sampled: boolean, spans: number) => boolean
}

export const SpanBudget = Context.Reference<SpanBudget>("wordloom/telemetry/SpanBudget", {
  defaultValue: () => ({ allows: () => true })
})
