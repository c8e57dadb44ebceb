/** What becomes of the trace context that a caller sends: whose ids, and whose decision to keep the trace. */
import { parseTraceparent, type TraceContext, withMember, withoutMembers } from "../domain/TraceContext.ts"
import * as Baseline from "./Baseline.ts"
import { ownMember } from "./DebugTrace.ts"

/**
 * `accept`: the caller's ids, our decision. `trust`: the caller's decision too. `restart`: a trace of our own that
 * links to the caller's.
 */
export type Trust = "accept" | "trust" | "restart"

/** HMAC-SHA256 in hexadecimal, under a key that callers do not have. */
export type KeyedHash = (text: string) => string

export interface Decision {
  readonly sampled: boolean
  /** Where a share of the traces is kept, `tracestate` says by which random value, and of which share. */
  readonly tell: (tracestate: string | null) => string | null
}

/** OpenTelemetry's member of `tracestate`: what a caller says there of its own sampling must not decide ours. */
const otelMember = "ot"

const randomnessDigits = 14

/**
 * Keeps a share of the traces, the same ones wherever the key is the same. Who chooses a trace id would otherwise
 * choose whether it is kept.
 */
export const decideBy = (ratio: number, hash: KeyedHash) => {
  const baseline = Baseline.baselineOf(ratio)
  return (traceId: string): Decision => {
    if (ratio >= 1 || ratio <= 0) return { sampled: ratio >= 1, tell: (tracestate) => tracestate }
    const randomness = hash(`sample:${traceId}`).slice(0, randomnessDigits)
    const said = (tracestate: string | null) => withMember(tracestate, otelMember, `rv:${randomness}`)
    const sampled = Baseline.isWithin(baseline, traceId, said(null))
    return {
      sampled,
      tell: (tracestate) => sampled ? Baseline.sampled(baseline, said(tracestate)) : said(tracestate)
    }
  }
}

export const withFlag = (context: TraceContext, sampled: boolean): TraceContext => {
  const flags = (parseTraceparent(context.traceparent)?.flags ?? 0) & ~1 | (sampled ? 1 : 0)
  return { ...context, traceparent: `${context.traceparent.slice(0, -2)}${flags.toString(16).padStart(2, "0")}` }
}

/** The caller's ids under our decision; `ot=` tells samplers further on how it was made. */
export const accepted = (given: TraceContext, decide: (traceId: string) => Decision): TraceContext => {
  const { sampled, tell } = decide(given.traceparent.slice(3, 35))
  const others = withoutMembers(given.tracestate, otelMember, ownMember)
  return withFlag({ ...given, tracestate: tell(others) }, sampled)
}
