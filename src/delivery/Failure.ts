/** Why a delivery did not happen, and so what to do about it. */
import type { ErrorType } from "../outbox/ErrorType.ts"

/**
 * - `transient`: the far side is down or slow; the same delivery may succeed later.
 * - `throttled`: as transient, and it said that it has too much to do.
 * - `configuration`: it refuses everything until a person mends it; nothing is buried meanwhile.
 * - `poison`: it will never accept this one.
 */
export type FailureClass = "transient" | "throttled" | "configuration" | "poison"

export interface Failure {
  readonly class: FailureClass
  /** Also a metric's label. */
  readonly errorType: ErrorType
  /** One line, at most 256 characters, without a stack. */
  readonly detail: string
  /** What the far side asked to wait, in milliseconds. */
  readonly retryAfterMs?: number | undefined
}

export const detailMax = 256

/** The database that the far side, or what is told of, lives in. */
export const storeFailed: Failure = {
  class: "transient",
  errorType: "pg_unavailable",
  detail: "the database did not answer"
}
