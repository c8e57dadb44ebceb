/**
 * The changes that are committed but not yet told to everyone: the working side.
 *
 * A row is `pending`, `processing` under a lease, `done` or `dead`. The rows of one entity share a **lane**, one of
 * thirty-two per outbox, and a lane is leased as a whole, to one claim at a time: so the rows of an entity are never
 * handled twice at once nor out of order, and a claim costs a write per lane instead of one per row. Every claim has a
 * token of its own; only who holds the token, before the lease ends by the database's clock, can settle its rows.
 */
import { Context, type Duration, type Effect } from "effect"
import type { FieldChange, Operation, Subject } from "../domain/Change.ts"
import type { EntityId } from "../domain/Entity.ts"
import type { TraceContext } from "../domain/TraceContext.ts"
import type { ErrorType } from "./ErrorType.ts"
import type { Projection } from "./Projection.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

/** Microseconds since 1970 by the database's clock: what its timestamps hold, and exact in a double until 2255. */
export type DatabaseMicros = number

/** A claimed row: what to tell, on whose behalf, and how often that was tried. */
export interface Delivery {
  readonly id: number
  readonly kind: Subject
  readonly entityId: EntityId
  readonly version: number
  readonly op: Operation
  /** 1 for the first; counted once it ends, unless the row was given back untried. */
  readonly attempt: number
  /** Since when it waits for this attempt: its commit, or the end of the attempt before. */
  readonly waitingSince: DatabaseMicros
  /** When it could first be claimed for this attempt; later than `waitingSince` by its back-off. */
  readonly readyAt: DatabaseMicros
  readonly createdAt: DatabaseMicros
  readonly trace: TraceContext | null
  readonly requestId: string | null
  readonly libraryId: EntityId | null
  readonly actor: string
  readonly fields: ReadonlyArray<FieldChange>
  /** The claim before this one ended without a settlement. */
  readonly reclaimed: boolean
}

export interface Batch {
  readonly projection: Projection
  readonly token: string
  readonly worker: string
  readonly claimedAt: DatabaseMicros
  readonly deliveries: ReadonlyArray<Delivery>
}

/**
 * How often a worker may die over a row: from `aloneAt` on it is tried in a batch of its own, so that no other row is
 * lost with it; at `deadAt` it is buried as `crash_loop`. An attempt that ends in order sets the count back.
 */
export const crashes = { aloneAt: 3, deadAt: 5 } as const

/** An attempt whose worker never settled it. */
export interface LostAttempt {
  readonly id: number
  readonly attempt: number
  readonly worker: string
  readonly claimedAt: DatabaseMicros
  readonly lostAt: DatabaseMicros
  readonly trace: TraceContext | null
  /** What becomes of the row: tried again, tried alone, or buried because of its crashes or its attempts. */
  readonly fate: "retried" | "alone" | "crash_loop" | "lease_expired"
}

export type Settlement =
  | { readonly _tag: "Done"; readonly id: number; readonly outcome: "acked" | "superseded" }
  | {
    readonly _tag: "Retry"
    readonly id: number
    readonly delayMs: number
    readonly errorType: ErrorType
    readonly detail: string
  }
  | { readonly _tag: "Dead"; readonly id: number; readonly errorType: ErrorType; readonly detail: string }
  /** Given back without counting the attempt: the worker stops, or what failed had nothing to do with the row. */
  | {
    readonly _tag: "Release"
    readonly id: number
    readonly delayMs: number
    readonly why: { readonly errorType: ErrorType; readonly detail: string } | null
  }

/** How a batch spent its time, in milliseconds: from its claim until the far side was asked, and with the far side. */
export interface Spent {
  readonly loadMs: number
  readonly engineMs: number
}

export interface ClaimOptions {
  readonly worker: string
  readonly limit: number
  readonly leaseFor: Duration.Duration
}

export class Leases extends Context.Service<Leases, {
  /**
   * Up to `limit` rows that are due, in one committed statement: of each free lane the rows that waited out their
   * delay, then the others by age, the lane first whose turn was longest ago. Two claims never share a lane. A paused
   * projection answers none. In an ordered projection a row stays behind while an earlier one of its entity waits to be
   * tried again.
   */
  readonly claim: (projection: Projection, options: ClaimOptions) => Effect.Effect<Batch, StoreUnavailable>
  /** One row that has killed its workers, by itself; no row if there is none. */
  readonly claimAlone: (
    projection: Projection,
    options: Omit<ClaimOptions, "limit">
  ) => Effect.Effect<Batch, StoreUnavailable>
  /** Whether there is one. */
  readonly hasAlone: (projection: Projection) => Effect.Effect<boolean, StoreUnavailable>
  /**
   * Settles each row by its own outcome; answers the ids that this batch still held. The others are not touched. A lane
   * is free again once all its rows are settled. `spent` is kept with every attempt that ended.
   */
  readonly settle: (
    batch: Batch,
    settlements: ReadonlyArray<Settlement>,
    spent?: Spent
  ) => Effect.Effect<ReadonlySet<number>, StoreUnavailable>
  /**
   * Frees the rows of the claim whose lease ended longest ago, and records the attempts that were lost with it; none
   * when no lease has ended.
   */
  readonly reclaim: (
    projection: Projection,
    options: { readonly attemptsMax: number }
  ) => Effect.Effect<ReadonlyArray<LostAttempt>, StoreUnavailable>
  /** Finds rows that were committed long after later ones were claimed; a claim itself looks only a little way back. */
  readonly sweep: (projection: Projection) => Effect.Effect<void, StoreUnavailable>
}>()("wordloom/outbox/Leases") {}
