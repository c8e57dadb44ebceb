/**
 * The changes that are committed but not yet told to everyone: the working side.
 *
 * A row is `pending`, `processing` under a lease, `done` or `dead`. Every claim has a token of its own; only who holds
 * the token, before the lease ends by the database's clock, can settle the row.
 */
import { Context, type Duration, type Effect } from "effect"
import type { FieldChange, Operation } from "../domain/Change.ts"
import type { EntityId, EntityKind } from "../domain/Entity.ts"
import type { TraceContext } from "../domain/TraceContext.ts"
import type { Projection } from "./Projection.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

/** Microseconds since 1970 by the database's clock: what its timestamps hold, and exact in a double until 2255. */
export type DatabaseMicros = number

/** A claimed row: what to tell, on whose behalf, and how often that was tried. */
export interface Delivery {
  readonly id: number
  readonly kind: EntityKind
  readonly entityId: EntityId
  readonly version: number
  readonly op: Operation
  /** 1 for the first; counted at the claim. */
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

/** An attempt whose worker never settled it. */
export interface LostAttempt {
  readonly id: number
  readonly attempt: number
  readonly worker: string
  readonly claimedAt: DatabaseMicros
  readonly lostAt: DatabaseMicros
  readonly trace: TraceContext | null
  /** It has run out of attempts and is dead now. */
  readonly dead: boolean
}

export type Settlement =
  | { readonly _tag: "Done"; readonly id: number; readonly outcome: "acked" | "superseded" }
  | {
    readonly _tag: "Retry"
    readonly id: number
    readonly delayMs: number
    readonly errorType: string
    readonly detail: string
  }
  | { readonly _tag: "Dead"; readonly id: number; readonly errorType: string; readonly detail: string }
  | { readonly _tag: "Release"; readonly id: number }

export class Leases extends Context.Service<Leases, {
  /** Up to `limit` rows that are due, oldest first, in one committed statement. Two claims never share a row. */
  readonly claim: (
    projection: Projection,
    options: { readonly worker: string; readonly limit: number; readonly leaseFor: Duration.Duration }
  ) => Effect.Effect<Batch, StoreUnavailable>
  /** Lengthens what is still held; answers the ids that are. */
  readonly extend: (
    batch: Batch,
    leaseFor: Duration.Duration
  ) => Effect.Effect<ReadonlySet<number>, StoreUnavailable>
  /** Settles every row by its own outcome; answers the ids that this batch still held. The others are not touched. */
  readonly settle: (
    batch: Batch,
    settlements: ReadonlyArray<Settlement>
  ) => Effect.Effect<ReadonlySet<number>, StoreUnavailable>
  /** Frees up to `limit` rows whose lease has ended, and records the attempts that were lost with them. */
  readonly reclaim: (
    projection: Projection,
    options: { readonly limit: number; readonly attemptsMax: number }
  ) => Effect.Effect<ReadonlyArray<LostAttempt>, StoreUnavailable>
}>()("wordloom/outbox/Leases") {}
