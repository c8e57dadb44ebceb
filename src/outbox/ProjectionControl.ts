/** What people decide about a projection, and what its workers let them know. */
import { Context, type Effect } from "effect"
import type { Projection } from "./Projection.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

/** Why a worker claims nothing for the time being. */
export interface BreakerNote {
  readonly state: "open" | "half_open"
  readonly errorType: string
  readonly detail: string
  /** Until the next probe, in milliseconds. */
  readonly retryInMs: number
}

export interface ProjectionState {
  readonly projection: Projection
  /** RFC 3339; `null` while its rows are claimed. */
  readonly pausedAt: string | null
  readonly pausedReason: string | null
  readonly breakers: ReadonlyArray<{
    readonly worker: string
    readonly state: "open" | "half_open"
    readonly errorType: string
    readonly detail: string
    readonly retryAt: string
  }>
}

export class ProjectionControl extends Context.Service<ProjectionControl, {
  /** From now on nobody claims its rows; what is in flight ends. Pausing twice keeps the first time and reason. */
  readonly pause: (projection: Projection, reason: string | null) => Effect.Effect<void, StoreUnavailable>
  readonly resume: (projection: Projection) => Effect.Effect<void, StoreUnavailable>
  /** Replaces what this worker said before; `null` once its breaker is closed. */
  readonly tell: (
    projection: Projection,
    worker: string,
    note: BreakerNote | null
  ) => Effect.Effect<void, StoreUnavailable>
  /** Of every projection, with the breakers of live workers only. */
  readonly states: Effect.Effect<ReadonlyArray<ProjectionState>, StoreUnavailable>
}>()("wordloom/outbox/ProjectionControl") {}
