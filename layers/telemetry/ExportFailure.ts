/** Why an export failed, in few words, and whether the same spans may be sent again. */
import type { exportFailureReasons } from "../../src/telemetry/Metrics.ts"

export type ExportFailureReason = typeof exportFailureReasons[number]

export interface ExportFailure {
  readonly _tag: "Failed"
  readonly reason: ExportFailureReason
  /** The far side may take them later. */
  readonly isRetryable: boolean
  /** Not before that, said the far side. */
  readonly retryAfterMs?: number
}

export interface Accepted {
  readonly _tag: "Accepted"
  /** Of the spans that it took, it says, it did not keep so many. */
  readonly rejected: number
}

export type ExportOutcome = Accepted | ExportFailure

/** What was seen of an export that did not succeed. */
export interface FailureFacts {
  readonly error: unknown
  /** The last answer's, if there was one. */
  readonly status?: number | undefined
  readonly retryAfter?: string | undefined
  /** It was ended because it took too long. */
  readonly isLate: boolean
}

/** A collector that is told to be away for longer is asked again nevertheless. */
const retryAfterMaxMs = 300_000

/** `Retry-After` in milliseconds: seconds or a date; `undefined` when it is neither. */
export const retryAfterOf = (text: string | undefined, nowMs: number): number | undefined => {
  if (text === undefined) return undefined
  const ms = /^\s*\d{1,9}\s*$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), retryAfterMaxMs) : undefined
}

const codeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string" ? error.code : ""

const failed = (reason: ExportFailureReason, isRetryable: boolean): ExportFailure => ({
  _tag: "Failed",
  reason,
  isRetryable
})

const byStatus = ({ retryAfter, status = 0 }: FailureFacts, nowMs: number): ExportFailure => {
  const after = retryAfterOf(retryAfter, nowMs)
  const asked = after === undefined ? {} : { retryAfterMs: after }
  if (status === 413) return failed("too_large", false)
  if (status === 429) return { ...failed("throttled", true), ...asked }
  if (status >= 500) return { ...failed("server_error", status > 501 && status < 505), ...asked }
  return failed(status >= 300 ? "client_error" : "invalid_answer", false)
}

const unreachable = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENETUNREACH",
  "EHOSTUNREACH",
  "EADDRNOTAVAIL"
])
const untrusted = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_OSSL|EPROTO)/

const byCode = (code: string): ExportFailure => {
  if (unreachable.has(code)) return failed("unreachable", true)
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return failed("dns", true)
  // A certificate may be put right while the program runs.
  if (untrusted.test(code)) return failed("tls", true)
  return failed(code.startsWith("HPE_") ? "invalid_answer" : "internal", false)
}

/** From codes and statuses, never from text. */
export const classify = (facts: FailureFacts, nowMs: number): ExportFailure =>
  facts.isLate
    ? failed("timeout", true)
    : facts.status === undefined
    ? byCode(codeOf(facts.error))
    : byStatus(facts, nowMs)
