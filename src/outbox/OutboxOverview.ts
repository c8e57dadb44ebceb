/** The outboxes at a glance: how much waits, how fast it goes, and who works on it. */
import { Context, type Effect, Schema } from "effect"
import { ProjectionStats } from "./OutboxReport.ts"
import { Projection } from "./Projection.ts"
import { ProjectionControlled } from "./ProjectionStatus.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

/** Counting further would make a look, which is repeated each second, a load on a full outbox. */
export const glanceMax = 10_000
/** A page can hold so many, and somebody who runs more looks at metrics. */
export const workersMax = 100

export const OutboxGlance = Schema.Struct({
  ...ProjectionStats.fields,
  /** Rows finished per second over the last minute, or over the last 1,000 if those are younger. */
  finished_per_second: Schema.Number
})
export type OutboxGlance = typeof OutboxGlance.Type

/** What a worker holds of one outbox. */
export const HeldLease = Schema.Struct({
  projection: Projection,
  rows: Schema.Int,
  lanes: Schema.Int,
  claimed_at: Schema.DateTimeUtc,
  /** When the first of them ends, unless it is lengthened. */
  lease_until: Schema.DateTimeUtc
})

export const WorkerSeen = Schema.Struct({
  id: Schema.String,
  /** It is connected to the database. One that was killed is not, but holds its rows until their lease ends. */
  alive: Schema.Boolean,
  projections: Schema.Array(Projection),
  started_at: Schema.NullOr(Schema.DateTimeUtc),
  leases: Schema.Array(HeldLease)
})
export type WorkerSeen = typeof WorkerSeen.Type

export interface Glance {
  readonly at: typeof Schema.DateTimeUtc.Type
  readonly projections: ReadonlyArray<OutboxGlance>
  readonly workers: ReadonlyArray<WorkerSeen>
}

/** As it is shown: with what people decided, and what workers say of themselves. */
export const Overview = Schema.Struct({
  at: Schema.DateTimeUtc,
  /** A count that reaches this means: as many or more. */
  count_max: Schema.Int,
  projections: Schema.Array(Schema.Struct({ ...OutboxGlance.fields, ...ProjectionControlled.fields })),
  workers: Schema.Array(WorkerSeen)
})
export type Overview = typeof Overview.Type

export class OutboxOverview extends Context.Service<OutboxOverview, {
  /** Costs the same whatever is waiting and finished; leaves no span. */
  readonly look: Effect.Effect<Glance, StoreUnavailable>
}>()("wordloom/outbox/OutboxOverview") {}
