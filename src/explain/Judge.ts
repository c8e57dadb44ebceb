/** What has become of a change in one projection, by the facts; total, no IO. */
import type { DatabaseMicros } from "../outbox/Leases.ts"
import type { Projection } from "../outbox/Projection.ts"
import type { Asked } from "./Asked.ts"
import type { Verdict } from "./Explanation.ts"
import {
  type ChangeFacts,
  type Circumstances,
  type ClaimFacts,
  type EngineFacts,
  type IndexFacts,
  type ProjectionFacts,
  type RowDetails,
  type RowFacts,
  rowKey,
  rowOf
} from "./Facts.ts"
import { type Place, placeOf } from "./Place.ts"

/** All that is known of one change in one projection. */
export interface Case {
  readonly asked: Asked
  readonly at: DatabaseMicros
  readonly change: ChangeFacts
  readonly projection: Projection
  readonly row: RowFacts | undefined
  readonly details: RowDetails
  readonly system: ProjectionFacts
  readonly engine: EngineFacts
  /** Of search only; `undefined` when the engine does not answer. */
  readonly index: IndexFacts | undefined
  readonly place: Place | undefined
  readonly given: Circumstances
}

const noDetails: RowDetails = { attempts: [], ahead: 0, earlier: null }
const nothing: IndexFacts = { expected: undefined, stored: undefined, searched: undefined }

export const caseOf = (
  change: ChangeFacts,
  projection: Projection,
  all: Pick<Case, "asked" | "at" | "engine" | "given"> & { readonly projections: ReadonlyArray<ProjectionFacts> }
): Case => {
  const { asked, at, engine, given } = all
  const row = rowOf(change, projection)
  const answers = projection === "search" && engine.away === null
  const index = answers ? engine.entries.get(change.id) ?? nothing : undefined
  return {
    asked,
    at,
    change,
    projection,
    row,
    details: row === undefined ? noDetails : change.details.get(rowKey(row)) ?? noDetails,
    system: all.projections.find((each) => each.projection === projection)!,
    engine,
    index,
    place: index === undefined ? undefined : placeOf(change, index),
    given
  }
}

/** A batch that has its lane for longer than this is in the way; a healthy one takes a fraction of it. */
const inTheWayMs = 5_000

export const inTheWay = (claim: ClaimFacts | null, at: DatabaseMicros): boolean =>
  claim !== null && (claim.until <= at || at - claim.claimedAt > inTheWayMs * 1_000)

const everyBreakerIsOpen = ({ breakers, workers }: ProjectionFacts) =>
  breakers.length > 0 && workers.every(({ id }) => breakers.some(({ worker }) => worker === id))

/** A row that is still to be told. */
const ofBacklog = ({ at, details, row, system }: Case & { readonly row: RowFacts }): Verdict => {
  if (row.claim !== null) return row.claim.until > at ? "leased" : "lease_lost"
  if (system.pausedAt !== null) return "paused"
  if (everyBreakerIsOpen(system)) return "breaker_open"
  if (details.earlier !== null) return "blocked"
  if (row.dueAt !== null && row.dueAt > at && row.errorType !== null) return "backing_off"
  if (row.reclaimed) return "lease_lost"
  return inTheWay(row.laneClaim, at) ? "blocked" : "waiting"
}

/** Rows that were finished so long ago are gone. */
export const isExpired = ({ at, change, given }: Case): boolean =>
  change.entity === undefined || at - change.entity.changedAt > given.retentionMs * 1_000

const ofMissing = ({ change, engine, place, projection, ...rest }: Case): Verdict => {
  if (change.entity !== undefined && !isExpired({ change, engine, place, projection, ...rest })) return "never_enqueued"
  if (projection !== "search") return change.recorded ? "recorded" : "never_enqueued"
  return engine.away === null ? "drift" : "index_unknown"
}

const ofDone = ({ change, engine, projection }: Case): Verdict =>
  projection === "chronicle"
    ? change.recorded ? "recorded" : "drift"
    : projection === "realtime"
    ? "recorded"
    : engine.away !== null
    ? "index_unknown"
    : change.entity !== undefined && change.entity.fanOuts > 0 && change.kind === "block"
    ? "fan_out"
    : "drift"

/** What the index says comes first: a change that searches show is where it should be, whatever its row looks like. */
export const judge = (facts: Case): Verdict => {
  const { place, projection, row } = facts
  if (place === "ahead") return "index_ahead"
  if (place === "shown" && (facts.index?.expected !== undefined || row?.state === "done")) return "searchable"
  if (place === "hidden") return "not_refreshed"
  if (projection === "chronicle" && facts.change.recorded && row?.state !== "dead") return "recorded"
  if (row === undefined) return ofMissing(facts)
  return row.state === "dead" ? "dead" : row.state === "done" ? ofDone(facts) : ofBacklog({ ...facts, row })
}

/** From the worst to the best. */
const severity: ReadonlyArray<Verdict> = [
  "not_found",
  "never_enqueued",
  "dead",
  "drift",
  "index_ahead",
  "lease_lost",
  "breaker_open",
  "paused",
  "blocked",
  "backing_off",
  "waiting",
  "leased",
  "fan_out",
  "not_refreshed",
  "index_unknown",
  "searchable",
  "recorded"
]

export const isWorse = (a: Verdict, b: Verdict): number => severity.indexOf(a) - severity.indexOf(b)

/** `null`: nobody can say. */
export const inPlace = (verdict: Verdict): boolean | null =>
  verdict === "index_unknown" ? null : verdict === "searchable" || verdict === "recorded"
