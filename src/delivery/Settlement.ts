/** What becomes of a claimed row once its delivery has ended. */
import { type Backoff, delayMs } from "../domain/Backoff.ts"
import type { Settlement } from "../outbox/Leases.ts"
import type { Failure } from "./Failure.ts"

/** How the delivery of one row ended. */
export type Outcome =
  | { readonly _tag: "Written" }
  /** The far side already had this version or a later one: as good as written. */
  | { readonly _tag: "Superseded" }
  | { readonly _tag: "Failed"; readonly failure: Failure }
  /** The worker is stopping and the row was not delivered. */
  | { readonly _tag: "Interrupted" }

export interface Policy {
  readonly attemptsMax: number
  readonly backoff: Backoff
}

/**
 * Total and without IO. A poison row is buried at once; a wrong configuration never buries, since every row would go
 * the same way; anything else is tried again until its attempts run out. `jitter` lies in [0, 1].
 */
export const decide = (
  row: { readonly id: number; readonly attempt: number },
  outcome: Outcome,
  policy: Policy,
  jitter: number
): Settlement => {
  switch (outcome._tag) {
    case "Written":
      return { _tag: "Done", id: row.id, outcome: "acked" }
    case "Superseded":
      return { _tag: "Done", id: row.id, outcome: "superseded" }
    case "Interrupted":
      return { _tag: "Release", id: row.id }
    case "Failed": {
      const { class: failureClass, detail, errorType, retryAfterMs } = outcome.failure
      const spent = row.attempt >= policy.attemptsMax && failureClass !== "configuration"
      if (failureClass === "poison" || spent) return { _tag: "Dead", id: row.id, errorType, detail }
      const wait = delayMs(policy.backoff, row.attempt, jitter, retryAfterMs)
      return { _tag: "Retry", id: row.id, delayMs: wait, errorType, detail }
    }
  }
}
