/** Where an index and the entities differ: sums of id ranges first, single entities only where the sums differ. */
import { Effect, Schema } from "effect"
import type { EntityId, EntityKind } from "../domain/Entity.ts"
import { type IdRange, type IndexEntry, sameDigest } from "./IdRange.ts"
import { SearchIndex } from "./SearchIndex.ts"
import { SearchSource } from "./SearchSource.ts"

/** Not in the index; there with another state; in the index without an entity. */
export const DriftClass = Schema.Literals(["missing", "stale", "orphaned"])
export type DriftClass = typeof DriftClass.Type

export type Counts = Readonly<Record<DriftClass, number>>

export interface Drift {
  readonly class: DriftClass
  readonly kind: EntityKind
  readonly id: EntityId
  /** What the index should say. */
  readonly expected: IndexEntry | undefined
  readonly found: IndexEntry | undefined
}

/** A tombstone and nothing at all look the same to whoever searches. */
export const driftOf = (expected: IndexEntry | undefined, found: IndexEntry | undefined): Drift | undefined => {
  const [wanted, shown] = [expected, found].map((entry) => entry?.deleted === false ? entry : undefined)
  const drift = (name: DriftClass, { id, kind }: IndexEntry): Drift => ({ class: name, kind, id, expected, found })
  if (wanted !== undefined && shown === undefined) return drift("missing", wanted)
  if (wanted === undefined) return shown && drift("orphaned", shown)
  return wanted.revision === shown?.revision && wanted.digest === shown.digest ? undefined : drift("stale", wanted)
}

/** What has been compared so far. */
export interface Totals extends Counts {
  readonly entities: number
  readonly ranges: number
  /** Ranges whose sums differed, so that their entities were looked at one by one. */
  readonly differing: number
  /** Entities that the index will be told of anyway, or that were changing while they were looked at. */
  readonly underWay: number
}

const nothing: Totals = {
  entities: 0,
  ranges: 0,
  differing: 0,
  underWay: 0,
  missing: 0,
  stale: 0,
  orphaned: 0
}

export const driftCount = ({ missing, orphaned, stale }: Counts): number => missing + orphaned + stale

/** A statement or request is for so many ranges; so many entities are listed at once on either side. */
const rangesPerPage = 8
const listMax = 500

const byId = (entries: ReadonlyArray<IndexEntry>) => new Map(entries.map((entry) => [entry.id, entry]))

/** How far both lists tell of everything; `undefined`: to the end. */
const horizon = (...lists: ReadonlyArray<ReadonlyArray<IndexEntry>>): EntityId | undefined =>
  lists.filter(({ length }) => length === listMax).map((list) => list.at(-1)!.id).toSorted()[0]

/** At most twice `listMax` entities that seem to differ, and where to go on. */
const suspects = Effect.fnUntraced(function*(range: IdRange, generation: string | undefined) {
  const [source, index] = [yield* SearchSource, yield* SearchIndex]
  const ours = yield* source.entries(range, listMax)
  const theirs = yield* index.entries(range, listMax, generation)
  const until = horizon(ours, theirs)
  const [expected, found] = [byId(ours), byId(theirs)]
  const ids = [...new Set([...expected.keys(), ...found.keys()])].filter((id) =>
    (until === undefined || id <= until) && driftOf(expected.get(id), found.get(id)) !== undefined
  )
  return { ids, until }
})

const isSame = (a: IndexEntry | undefined, b: IndexEntry | undefined) =>
  a?.revision === b?.revision && a?.digest === b?.digest && a?.deleted === b?.deleted

/**
 * The second look. An entity that stays the same from before the index is asked until after it, and whose changes have
 * all been told by then, must be in the index as it is: whatever else is found there is no delay but drift.
 */
const confirmed = Effect.fnUntraced(function*(ids: ReadonlyArray<EntityId>, generation: string | undefined) {
  const [source, index] = [yield* SearchSource, yield* SearchIndex]
  const before = byId(yield* source.entriesOf(ids))
  const underWay = new Set(yield* source.underWay(ids))
  const settled = ids.filter((id) => !underWay.has(id))
  const found = byId(yield* index.entriesOf(settled, generation))
  const after = byId(yield* source.entriesOf(settled))
  const still = settled.filter((id) => isSame(before.get(id), after.get(id)))
  return {
    drifts: still.flatMap((id) => driftOf(after.get(id), found.get(id)) ?? []),
    underWay: ids.length - still.length
  }
})

const counted = (totals: Totals, drifts: ReadonlyArray<Drift>): Totals => {
  const of = (name: DriftClass) => totals[name] + drifts.filter((drift) => drift.class === name).length
  return { ...totals, missing: of("missing"), stale: of("stale"), orphaned: of("orphaned") }
}

export interface Comparison<E, R> {
  /** The part of the index to compare: what is searched when not given. */
  readonly generation?: string | undefined
  /** What was just found, and how far it has come; bounded, and told before it goes on. */
  readonly onPart: (drifts: ReadonlyArray<Drift>, totals: Totals) => Effect.Effect<void, E, R>
}

/** Compares all that there is, on both sides. Neither its memory nor any statement grows with that. */
export const compare = Effect.fnUntraced(function*<E = never, R = never>({ generation, onPart }: Comparison<E, R>) {
  const [source, index] = [yield* SearchSource, yield* SearchIndex]
  let totals = nothing

  const descend = Effect.fnUntraced(function*({ after, to }: IdRange) {
    for (let from = after;;) {
      const { ids, until } = yield* suspects({ after: from, to }, generation)
      if (ids.length > 0) {
        const { drifts, underWay } = yield* confirmed(ids, generation)
        totals = counted({ ...totals, underWay: totals.underWay + underWay }, drifts)
        yield* onPart(drifts, totals)
      }
      if (until === undefined) return
      from = until
    }
  })

  for (let after: EntityId | undefined;;) {
    const page = yield* source.digests(after, rangesPerPage)
    const found = yield* index.digests(page.map(({ range }) => range), generation)
    const differing = page.filter(({ digest }, at) => !sameDigest(digest, found[at]!))
    for (const { range } of differing) yield* descend(range)
    totals = {
      ...totals,
      entities: totals.entities + page.reduce((sum, { digest }) => sum + digest.count, 0),
      ranges: totals.ranges + page.length,
      differing: totals.differing + differing.length
    }
    yield* onPart([], totals)
    after = page.at(-1)?.range.to
    if (after === undefined) return totals
  }
})
