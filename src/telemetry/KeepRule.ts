/** What makes a trace worth keeping that the baseline leaves out. */

export type KeepReason = "error" | "slow" | "debug"

export interface KeepRule {
  readonly reasons: ReadonlySet<KeepReason>
  /** Longer than this is slow. Nanoseconds. */
  readonly slow: bigint
  /** So is a row that waited for longer than this to be claimed; `undefined`: waiting is not slowness. */
  readonly slowWait: bigint | undefined
}

export const nothing: KeepRule = { reasons: new Set(), slow: 0n, slowWait: undefined }

/** What one process saw of a trace, from the span that came in or began it to that span's end. */
export interface SegmentFacts {
  /** A span ended in an error. */
  readonly hasFailed: boolean
  /** The answer's, where the outermost span is a request's. */
  readonly status: number | undefined
  /** The outermost span's. Nanoseconds. */
  readonly lasted: bigint
  readonly isWait: boolean
  readonly isDebug: boolean
}

/** What fails within a request that was then refused is the caller's error, and explains the refusal. */
const isRefusal = (status: number | undefined) => status !== undefined && status >= 400 && status < 500

export const isSlow = ({ reasons, slow }: KeepRule, lasted: bigint): boolean => reasons.has("slow") && lasted > slow

export const isSlowWait = ({ reasons, slowWait }: KeepRule, waited: bigint): boolean =>
  reasons.has("slow") && slowWait !== undefined && waited > slowWait

export const reasonOf = (rule: KeepRule, facts: SegmentFacts): KeepReason | undefined => {
  if (facts.isDebug && rule.reasons.has("debug")) return "debug"
  if (facts.hasFailed && !isRefusal(facts.status) && rule.reasons.has("error")) return "error"
  return (facts.isWait ? isSlowWait(rule, facts.lasted) : isSlow(rule, facts.lasted)) ? "slow" : undefined
}
