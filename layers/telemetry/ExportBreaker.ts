/** When the next export may be tried: at once while they succeed, after a while, by a single one, once they fail. */
import type { ExportOutcome } from "./ExportFailure.ts"

/** The first wait, and the longest unless the far side asks for more. */
const waits = { firstMs: 500, longestMs: 5_000 } as const

export interface ExportBreaker {
  readonly failures: number
  /** Not before that. */
  readonly until: number
}

export const closed: ExportBreaker = { failures: 0, until: 0 }

/**
 * What follows from an export that ended at `now`. An open breaker becomes half-open by itself: exports never overlap,
 * so the next one is its probe. `jitter` lies in [0, 1].
 */
export const after = (breaker: ExportBreaker, outcome: ExportOutcome, now: number, jitter: number): ExportBreaker => {
  if (outcome._tag === "Accepted") return closed
  const ceiling = Math.min(waits.longestMs, waits.firstMs * 2 ** Math.min(breaker.failures, 10))
  const own = ceiling * (0.5 + jitter / 2)
  // Whoever was asked to wait comes a little later than that, so that they do not all come at once.
  const asked = outcome.retryAfterMs === undefined ? 0 : outcome.retryAfterMs + jitter * waits.firstMs
  return { failures: breaker.failures + 1, until: now + Math.max(own, asked) }
}

export const waitMs = (breaker: ExportBreaker, now: number): number => Math.max(0, breaker.until - now)
