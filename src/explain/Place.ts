/** Whether the index says what it should of a change; no IO. */
import { driftOf } from "../search/Drift.ts"
import type { ChangeFacts, IndexFacts } from "./Facts.ts"

/**
 * `shown`: searches find this version or a later one, or no longer find what was removed. `hidden`: the index has it,
 * searches do not show it yet. `behind`: it has not. `ahead`: it has a later one than the database.
 */
export type Place = "shown" | "hidden" | "behind" | "ahead"

const alive = (entry: IndexFacts["stored"]) => entry?.deleted === false ? entry : undefined

const isLater = ({ version }: ChangeFacts, { expected, stored }: IndexFacts) =>
  expected !== undefined && stored !== undefined && version < expected.version && stored.version >= version &&
  stored.revision <= expected.revision

/** An earlier version than the newest is in its place once the index has any later one. */
export const placeOf = (change: ChangeFacts, index: IndexFacts): Place => {
  const { expected, searched, stored } = index
  if (expected !== undefined && stored !== undefined && stored.revision > expected.revision) return "ahead"
  const isThere = isLater(change, index) || driftOf(expected, stored) === undefined
  if (!isThere) return "behind"
  return alive(stored)?.revision === searched?.revision ? "shown" : "hidden"
}
