/** How long a failed delivery waits before it is tried again. */

export interface Backoff {
  /** The un-jittered wait after the first attempt, in milliseconds. */
  readonly baseMs: number
  /** No wait is longer, unless the far side asked for it. */
  readonly capMs: number
}

/** Milliseconds before attempt `attempt + 1`, without jitter: doubles with every attempt up to the cap. */
export const ceilingMs = (backoff: Backoff, attempt: number): number =>
  Math.min(backoff.capMs, backoff.baseMs * 2 ** Math.min(attempt - 1, 52))

/**
 * Full jitter: anywhere between nothing and the ceiling, so that rows which failed together come back apart.
 * What the far side asked for (`Retry-After`) is a floor that jitter only adds to.
 *
 * ```ts
 * delayMs({ baseMs: 500, capMs: 60_000 }, 3, 0.5)
 * // => 1000
 * ```
 */
export const delayMs = (backoff: Backoff, attempt: number, jitter: number, retryAfterMs = 0): number =>
  Math.round(retryAfterMs + ceilingMs(backoff, attempt) * jitter)
