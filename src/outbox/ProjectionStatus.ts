/** A projection as people see it: how much waits, whether anyone claims it, and which workers cannot deliver. */
import { Schema } from "effect"
import { excerpt, storable } from "../domain/Text.ts"
import { ProjectionStats } from "./OutboxReport.ts"
import { Projection } from "./Projection.ts"
import type { BreakerNote, ProjectionState } from "./ProjectionControl.ts"

const reasonMax = 256
const errorTypeMax = 64
const detailMax = 256

/** Nothing was heard for so long after the next try was due: the worker died without a word. A try may take minutes. */
export const forgottenAfterMinutes = 10
/** So many workers have one cause, and a page can hold them. */
export const breakersMax = 100

export const PauseReason = Schema.Trim.check(Schema.isMaxLength(reasonMax), storable)

const kept = (text: string, max: number) => excerpt(text.toWellFormed().replaceAll("\0", " ").trim(), max)

export const keptReason = (reason: string | null): string | null =>
  reason === null ? null : kept(reason, reasonMax) || null

/** Beyond what any breaker waits; what a dead worker promised must not be shown for longer. */
const retryInMax = 60 * 60 * 1_000

export const keptNote = (note: BreakerNote): BreakerNote => ({
  state: note.state,
  errorType: kept(note.errorType, errorTypeMax),
  detail: kept(note.detail, detailMax),
  retryInMs: Math.round(Math.min(retryInMax, Math.max(0, note.retryInMs || 0)))
})

const Time = Schema.String.annotate({ format: "date-time" })

export const ProjectionControlled = Schema.Struct({
  projection: Projection,
  /** Nobody claims its rows. */
  paused: Schema.Boolean,
  paused_at: Schema.NullOr(Time),
  paused_reason: Schema.NullOr(Schema.String),
  /** Of workers that claim nothing for the time being, because their destination keeps failing. */
  breakers: Schema.Array(Schema.Struct({
    worker: Schema.String,
    state: Schema.Literals(["open", "half_open"]),
    error_type: Schema.String,
    detail: Schema.String,
    retry_at: Time
  }))
})
export type ProjectionControlled = typeof ProjectionControlled.Type

export const ProjectionStatus = Schema.Struct({ ...ProjectionStats.fields, ...ProjectionControlled.fields })
export type ProjectionStatus = typeof ProjectionStatus.Type

export const shownState = (projection: Projection, states: ReadonlyArray<ProjectionState>): ProjectionControlled => {
  const state = states.find((one) => one.projection === projection)
  return {
    projection,
    paused: typeof state?.pausedAt === "string",
    paused_at: state?.pausedAt ?? null,
    paused_reason: state?.pausedReason ?? null,
    breakers: (state?.breakers ?? []).map(({ detail, errorType, retryAt, state: at, worker }) => ({
      worker,
      state: at,
      error_type: errorType,
      detail,
      retry_at: retryAt
    }))
  }
}

export const statusesOf = (
  stats: ReadonlyArray<ProjectionStats>,
  states: ReadonlyArray<ProjectionState>
): ReadonlyArray<ProjectionStatus> => stats.map((one) => ({ ...one, ...shownState(one.projection, states) }))
