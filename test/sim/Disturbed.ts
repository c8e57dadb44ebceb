/** When a worker may lose its rows although it lives, and when that would be its own fault. */
import type { FaultKind } from "./Options.ts"

const disturbing: ReadonlySet<FaultKind> = new Set([
  "db-refuses",
  "db-loses-answers",
  "db-slow",
  "db-silent",
  "heartbeat-fails",
  "stop",
  "stop-at"
])

/** More than a settlement waits before it is said again. */
const settleAgainMs = 3_000

export const isDisturbed = (faults: ReadonlyArray<FaultKind>): boolean => faults.some((kind) => disturbing.has(kind))

/**
 * Whoever lives keeps its lease, and settles as soon as a database that was away is back: `refusedAt` is when it last
 * refused anything, `until` when the lease ended.
 */
export const couldKeep = (faults: ReadonlyArray<FaultKind>, until: number, refusedAt: number): boolean => {
  const others = faults.filter((kind) => kind !== "db-refuses")
  return !isDisturbed(faults) || (!isDisturbed(others) && until - refusedAt > settleAgainMs)
}
