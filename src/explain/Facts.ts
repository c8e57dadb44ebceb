/** What is known of a change and of those who should have told of it: gathered at one moment, judged by nobody yet. */
import { Context, type Effect } from "effect"
import type { Operation } from "../domain/Change.ts"
import type { EntityId, EntityKind } from "../domain/Entity.ts"
import type { DatabaseMicros } from "../outbox/Leases.ts"
import type { Projection } from "../outbox/Projection.ts"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"
import type { IndexEntry } from "../search/IdRange.ts"
import type { Asked } from "./Asked.ts"

/** Changes of one request or trace that are explained; there may be more. */
export const changesMax = 20
/** Rows of one entity that are looked at, in each outbox and state; the newest. */
export const rowsMax = 20
/** Attempts of one row that are shown; the newest. */
export const attemptsMax = 50
/** Whoever is further behind is told "more than". */
export const aheadMax = 10_000
/** The finished rows that rates and percentiles are taken from, and how far back failures are counted. */
export const recentMax = 1_000
export const recentMinutes = 10

export interface ClaimFacts {
  readonly worker: string
  readonly claimedAt: DatabaseMicros
  readonly until: DatabaseMicros
}

export interface AttemptFacts {
  readonly attempt: number
  readonly worker: string
  readonly claimedAt: DatabaseMicros
  readonly endedAt: DatabaseMicros
  readonly outcome: string
  readonly errorType: string | null
  readonly detail: string | null
  readonly dueAt: DatabaseMicros | null
  readonly loadMs: number | null
  readonly engineMs: number | null
}

/** A row, wherever it is by now. */
export interface RowFacts {
  readonly projection: Projection
  readonly id: number
  readonly version: number
  readonly op: Operation
  readonly state: "fresh" | "waiting" | "alone" | "done" | "dead"
  /** Those that ended. */
  readonly attempts: number
  readonly dueAt: DatabaseMicros | null
  /** Since when it waits for its next attempt. */
  readonly waitingSince: DatabaseMicros | null
  /** The last attempt was found lost. */
  readonly reclaimed: boolean
  /** Who has it now. */
  readonly claim: ClaimFacts | null
  /** Who has its lane, without it. */
  readonly laneClaim: ClaimFacts | null
  readonly errorType: string | null
  readonly detail: string | null
  readonly traceId: string | null
  readonly requestId: string | null
  readonly createdAt: DatabaseMicros
  readonly updatedAt: DatabaseMicros
  readonly processedAt: DatabaseMicros | null
}

/** What is asked only of the rows that matter. */
export interface RowDetails {
  /** The oldest first; of a finished row the last one is the one that finished it. */
  readonly attempts: ReadonlyArray<AttemptFacts>
  /** Due rows that come before it, counted to one more than `aheadMax`; of a finished row, those that came before. */
  readonly ahead: number
  /** In an ordered projection: an earlier row of its entity that waits to be tried again. */
  readonly earlier: { readonly id: number; readonly version: number; readonly dueAt: DatabaseMicros } | null
}

export interface EntityFacts {
  readonly version: number
  readonly revision: number
  readonly removed: boolean
  readonly title: string | null
  readonly changedAt: DatabaseMicros
  /** New names on their way that it shows or, of a tag or library, that it gives. */
  readonly fanOuts: number
}

export interface ChangeFacts {
  readonly kind: EntityKind
  readonly id: EntityId
  readonly version: number
  /** The row that was asked for by its id, or by whose request or trace the change was found. */
  readonly event: { readonly projection: Projection; readonly id: number } | null
  /** `undefined`: the database has no such entity and knows of no removal. */
  readonly entity: EntityFacts | undefined
  /** The chronicle has its entry. */
  readonly recorded: boolean
  /** The newest first, of every projection. */
  readonly rows: ReadonlyArray<RowFacts>
  /** By `projection/id`, of the rows that matter. */
  readonly details: ReadonlyMap<string, RowDetails>
}

export interface WorkerFacts {
  readonly id: string
  readonly startedAt: DatabaseMicros
}

export interface ProjectionFacts {
  readonly projection: Projection
  readonly pausedAt: DatabaseMicros | null
  readonly pausedReason: string | null
  readonly breakers: ReadonlyArray<{
    readonly worker: string
    readonly state: "open" | "half_open"
    readonly errorType: string
    readonly detail: string
    readonly retryAt: DatabaseMicros
  }>
  /** Those that live, as far as the database knows. */
  readonly workers: ReadonlyArray<WorkerFacts>
  /** Of what nobody works on; 0 when nothing waits. */
  readonly oldestAgeMs: number
  /** Over the last finished rows; `null` when there are none. */
  readonly recent: {
    readonly rows: number
    /** Rows per second from the first of them until now. */
    readonly perSecond: number
    readonly lagP50Ms: number
    readonly lagP95Ms: number
    readonly engineP50Ms: number | null
    readonly engineP95Ms: number | null
  } | null
  /** Failed attempts of the last minutes, counted to `recentMax` in all. */
  readonly failures: Failures
}

export interface Failures {
  readonly throttled: number
  readonly lost: number
  readonly other: number
}

/** What the destination was asked and did not take; a lost lease says nothing of it. */
export const refusedOf = ({ other, throttled }: Failures): number => throttled + other

export interface Gathered {
  readonly at: DatabaseMicros
  readonly changes: ReadonlyArray<ChangeFacts>
  readonly more: boolean
  readonly projections: ReadonlyArray<ProjectionFacts>
}

/** What the index says of an entity. `searched`: what searches find, tombstones not being found. */
export interface IndexFacts {
  readonly expected: IndexEntry | undefined
  readonly stored: IndexEntry | undefined
  readonly searched: IndexEntry | undefined
}

/** What the judgement depends on besides. */
export interface Circumstances {
  /** How long finished rows are kept. */
  readonly retentionMs: number
  readonly pollMs: number
  /** An engine that takes longer to show a document counts as away. */
  readonly engineMs: number
  /** From here on a change counts as slow. */
  readonly slowMs: number
  /** `{trace_id}` in it is replaced. */
  readonly traceUrl: string | undefined
}

export interface EngineFacts {
  readonly name: "postgres" | "elasticsearch"
  /** Why it did not answer. */
  readonly away: string | null
  /** It answered that there is none. */
  readonly noIndex: boolean
  readonly entries: ReadonlyMap<EntityId, IndexFacts>
}

/** In the contract's words. */
export const statusOf = ({ claim, state }: Pick<RowFacts, "claim" | "state">) =>
  state === "done" || state === "dead" ? state : claim === null ? "pending" : "processing"

export const rowKey = ({ id, projection }: { readonly projection: Projection; readonly id: number }): string =>
  `${projection}/${id}`

/**
 * The row that tells of the change: the one that was asked for; else its version's own, the newest; else a later one,
 * if its own is buried or gone.
 */
export const rowOf = (
  { event, rows, version }: Pick<ChangeFacts, "event" | "rows" | "version">,
  projection: Projection
): RowFacts | undefined => {
  if (event?.projection === projection) return rows.find((row) => rowKey(row) === rowKey(event))
  const of = rows.filter((row) => row.projection === projection && row.version >= version)
    .toSorted((a, b) => b.id - a.id)
  const own = of.find((row) => row.version === version)
  if (own !== undefined && own.state !== "dead") return own
  return of.findLast((row) => row.state !== "dead" && row.id > (own?.id ?? 0)) ?? own
}

export class ExplainFacts extends Context.Service<ExplainFacts, {
  /** No change: there is nothing of that name. Costs the same whatever waits or is finished. */
  readonly gather: (asked: Asked) => Effect.Effect<Gathered, StoreUnavailable>
}>()("wordloom/explain/Facts/ExplainFacts") {}
