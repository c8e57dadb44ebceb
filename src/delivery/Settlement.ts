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
 * Total and without IO. A poison row is buried at once; anything else is tried again until its attempts run out. A
 * failure that is not the row's own (`counts` is false) takes none of its attempts, so it never buries. `jitter` lies
 * in [0, 1].
 */
export const decide = (
  row: { readonly id: number; readonly attempt: number },
  outcome: Outcome,
  policy: Policy,
  jitter: number,
  counts = true
): Settlement => {
  switch (outcome._tag) {
    case "Written":
      return { _tag: "Done", id: row.id, outcome: "acked" }
    case "Superseded":
      return { _tag: "Done", id: row.id, outcome: "superseded" }
    case "Interrupted":
      return { _tag: "Release", id: row.id, delayMs: 0, why: null }
    case "Failed": {
      const { class: failureClass, detail, errorType, retryAfterMs } = outcome.failure
      const own = counts && failureClass !== "configuration"
      if (failureClass === "poison" || (own && row.attempt >= policy.attemptsMax)) {
        return { _tag: "Dead", id: row.id, errorType, detail }
      }
      const wait = delayMs(policy.backoff, row.attempt, jitter, retryAfterMs)
      return own
        ? { _tag: "Retry", id: row.id, delayMs: wait, errorType, detail }
        : { _tag: "Release", id: row.id, delayMs: wait, why: { errorType, detail } }
    }
  }
}

/**
 * In an ordered projection the rows of one entity come back in their order: none before the one ahead of it in the
 * batch.
 */
export const inOrder = <
  Row extends { readonly delivery: { readonly entityId: string }; readonly settlement: Settlement }
>(
  rows: ReadonlyArray<Row>
): ReadonlyArray<Row> => {
  const waits = new Map<string, number>()
  return rows.map((row) => {
    const { delivery: { entityId }, settlement } = row
    if (settlement._tag !== "Retry" && settlement._tag !== "Release") return row
    const delayMs = Math.max(settlement.delayMs, waits.get(entityId) ?? 0)
    waits.set(entityId, delayMs)
    return delayMs === settlement.delayMs ? row : { ...row, settlement: { ...settlement, delayMs } }
  })
}
