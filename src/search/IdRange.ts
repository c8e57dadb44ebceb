/** Runs of ids, and what two stores say of the entities in one: equal sums, and nobody need look closer. */
import type { EntityId, EntityKind } from "../domain/Entity.ts"

/** In the order of the ids: what comes after `after`, up to `to` and that one too. Open where there is none. */
export interface IdRange {
  readonly after: EntityId | undefined
  readonly to: EntityId | undefined
}

/**
 * How many entities, and the sums of their digests and revisions. Whoever writes to an index behind our back raises the
 * revision of a document even where its stored digest stays what it was.
 */
export interface RangeDigest {
  readonly count: number
  readonly digest: number
  readonly revision: number
}

/** Entities in a range. Sums of 4,096 digests of forty bits are exact in a double, which Elasticsearch adds in. */
export const rangeSize = 1_000

export const sameDigest = (a: RangeDigest, b: RangeDigest): boolean =>
  a.count === b.count && a.digest === b.digest && a.revision === b.revision

/** One entity, as little of it as can be compared. */
export interface IndexEntry {
  readonly id: EntityId
  readonly kind: EntityKind
  readonly version: number
  readonly revision: number
  readonly deleted: boolean
  /** What its document says, in a number; 0 for a tombstone. */
  readonly digest: number
}

export const isIn = ({ after, to }: IdRange, id: EntityId): boolean =>
  (after === undefined || id > after) && (to === undefined || id <= to)
