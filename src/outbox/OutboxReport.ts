/** What people ask about the outbox: how much is waiting, since when, and what became of one row. */
import { Context, type Effect, Schema } from "effect"
import { Operation } from "../domain/Change.ts"
import { EntityId, EntityKind } from "../domain/Entity.ts"
import type { CursorInvalid, Page } from "../domain/Paging.ts"
import { Projection } from "./Projection.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

export const Status = Schema.Literals(["pending", "processing", "done", "dead"])
export type Status = typeof Status.Type

const Time = Schema.NullOr(Schema.DateTimeUtc)

/** A row as others may read it: contract §4. */
export const OutboxEvent = Schema.Struct({
  projection: Projection,
  id: Schema.Int,
  entity_type: EntityKind,
  entity_id: EntityId,
  entity_version: Schema.Int,
  op: Operation,
  status: Status,
  attempts: Schema.Int,
  next_attempt_at: Time,
  lease_owner: Schema.NullOr(Schema.String),
  lease_until: Time,
  error_type: Schema.NullOr(Schema.String),
  error_detail: Schema.NullOr(Schema.String),
  traceparent: Schema.NullOr(Schema.String),
  tracestate: Schema.NullOr(Schema.String),
  trace_id: Schema.NullOr(Schema.String),
  request_id: Schema.NullOr(Schema.String),
  created_at: Schema.DateTimeUtc,
  updated_at: Schema.DateTimeUtc,
  processed_at: Time
})
export type OutboxEvent = typeof OutboxEvent.Type

/** Counts are of rows; ages and lags in seconds. `dead` and `done` are counted up to 10,000. */
export const ProjectionStats = Schema.Struct({
  projection: Projection,
  pending: Schema.Int,
  processing: Schema.Int,
  done: Schema.Int,
  dead: Schema.Int,
  oldest_pending_age_seconds: Schema.Number,
  /** From commit to settlement, over the last 1,000 finished rows. */
  lag_seconds: Schema.Struct({ p50: Schema.Number, p95: Schema.Number, p99: Schema.Number })
})
export type ProjectionStats = typeof ProjectionStats.Type

/** Dead letters are grouped among so many of each outbox, the newest. */
export const deadSample = 10_000
/** More reasons than that have no page that could show them. */
export const deadGroupsMax = 100

/** The dead letters of one outbox that have one reason; times are when they were buried. */
export const DeadGroup = Schema.Struct({
  projection: Projection,
  error_type: Schema.NullOr(Schema.String),
  count: Schema.Int,
  oldest_at: Schema.DateTimeUtc,
  newest_at: Schema.DateTimeUtc,
  newest_detail: Schema.NullOr(Schema.String)
})
export type DeadGroup = typeof DeadGroup.Type

export interface EventFilter {
  readonly projection?: Projection | undefined
  readonly status?: Status | undefined
  readonly entity_id?: EntityId | undefined
  readonly trace_id?: string | undefined
  readonly error_type?: string | undefined
}

export interface ReplayFilter {
  readonly projection: Projection
  readonly id?: number | undefined
  readonly status?: "dead" | "done" | undefined
  readonly error_type?: string | undefined
  readonly after?: string | undefined
  readonly before?: string | undefined
}

export class OutboxReport extends Context.Service<OutboxReport, {
  readonly stats: Effect.Effect<ReadonlyArray<ProjectionStats>, StoreUnavailable>
  /** Newest first. */
  readonly events: (
    filter: EventFilter,
    limit: number,
    cursor: string | undefined
  ) => Effect.Effect<Page<OutboxEvent>, StoreUnavailable | CursorInvalid>
  /** The most frequent first, each outbox by itself; of the newest dead letters of each outbox. */
  readonly deadGroups: Effect.Effect<ReadonlyArray<DeadGroup>, StoreUnavailable>
  /** Makes finished rows due again with their attempts at zero; what was recorded of them stays. */
  readonly replay: (filter: ReplayFilter) => Effect.Effect<number, StoreUnavailable>
}>()("wordloom/outbox/OutboxReport") {}
