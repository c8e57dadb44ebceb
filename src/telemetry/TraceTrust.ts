/** What becomes of the trace context that a caller sends: whose ids, and whose decision to keep the trace. */
import { parseTraceparent, type TraceContext, withMember, withoutMembers } from "../domain/TraceContext.ts"
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
  /** Fifty-six bits in hexadecimal, where a share of the traces is kept. */
  readonly randomness: string | undefined
}

const randomnessDigits = 14
/** Of the threshold; so a share is exact to one in sixteen millions. */
const thresholdDigits = 6

/**
 * Keeps a share of the traces, the same ones wherever the key is the same. Who chooses a trace id would otherwise
 * choose whether it is kept.
 */
export const decideBy = (ratio: number, hash: KeyedHash) => (traceId: string): Decision => {
  if (ratio >= 1 || ratio <= 0) return { sampled: ratio >= 1, randomness: undefined }
  const randomness = hash(`sample:${traceId}`).slice(0, randomnessDigits)
  const threshold = Math.round((1 - ratio) * 16 ** thresholdDigits)
  return { sampled: Number.parseInt(randomness.slice(0, thresholdDigits), 16) >= threshold, randomness }
}

/** OpenTelemetry's member of `tracestate`: what a caller says there of its own sampling must not decide ours. */
const otelMember = "ot"

export const withFlag = (context: TraceContext, sampled: boolean): TraceContext => {
  const flags = (parseTraceparent(context.traceparent)?.flags ?? 0) & ~1 | (sampled ? 1 : 0)
  return { ...context, traceparent: `${context.traceparent.slice(0, -2)}${flags.toString(16).padStart(2, "0")}` }
}

/** The caller's ids under our decision; `ot=rv:…` tells samplers further on which random value it was made by. */
export const accepted = (given: TraceContext, decide: (traceId: string) => Decision): TraceContext => {
  const { randomness, sampled } = decide(given.traceparent.slice(3, 35))
  const others = withoutMembers(given.tracestate, otelMember, ownMember)
  const tracestate = randomness === undefined ? others : withMember(others, otelMember, `rv:${randomness}`)
  return withFlag({ ...given, tracestate }, sampled)
}
