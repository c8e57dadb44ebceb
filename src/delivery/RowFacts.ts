/** What the worker knows of a batch and its rows once they are settled; plain values. */
import type { Option, Tracer } from "effect"
import type { ErrorType } from "../outbox/ErrorType.ts"
import type { Batch, Delivery, Settlement } from "../outbox/Leases.ts"
import type { EngineCall } from "./EngineCall.ts"
import type { Outcome } from "./Settlement.ts"

/** Nanoseconds since 1970 by this process's clock. */
export type Nanos = bigint

/** What the worker noted while it handled a batch. */
export interface BatchFacts {
  readonly batch: Omit<Batch, "deliveries">
  /** Rows in it. */
  readonly size: number
  /** Process clock minus database clock: PostgreSQL's times are shown on the process's time line. */
  readonly offset: Nanos
  readonly claimStartedAt: Nanos
  readonly claimedAt: Nanos
  readonly ackStartedAt: Nanos
  readonly endedAt: Nanos
  readonly calls: ReadonlyArray<EngineCall>
  readonly processBatch: Option.Option<Tracer.Span>
  /** By row id, where the row's span had to be there before. */
  readonly begun: ReadonlyMap<number, Tracer.Span>
}

export interface RowFacts {
  readonly delivery: Delivery
  readonly outcome: Outcome
  readonly settlement: Settlement
  /** The settlement found the row still held by this claim. */
  readonly held: boolean
}

/** How the attempt ended, in the contract's words. */
export const outcomeOf = ({ held, settlement }: RowFacts) =>
  !held
    ? "lease_lost"
    : settlement._tag === "Done"
    ? settlement.outcome
    : settlement._tag === "Retry"
    ? "retry_scheduled"
    : settlement._tag === "Dead"
    ? "dead_lettered"
    : settlement.why === null
    ? "released"
    : "retry_scheduled"

/** The failure that a row comes back with; none when it is done, or was merely given back. */
export const comesBackWith = ({ settlement }: RowFacts): ErrorType | undefined =>
  settlement._tag === "Retry"
    ? settlement.errorType
    : settlement._tag === "Release"
    ? settlement.why?.errorType
    : undefined

/** Nothing to tell a person of. */
export const isQuiet = (row: RowFacts): boolean =>
  row.held && row.settlement._tag !== "Dead" && comesBackWith(row) === undefined
