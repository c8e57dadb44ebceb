/** Whether the loops of a worker still come round: when each last asked for rows, and whether it is busy with some. */
import { Context } from "effect"
import type { Projection } from "../outbox/Projection.ts"

interface Seen {
  at: number
  busy: number
}

export interface ClaimWatch {
  /** A claim was answered, or the valve said that there should be none now. */
  readonly asked: (projection: Projection, nowMs: number) => void
  /** Batches in flight: a loop that delivers does not ask. */
  readonly busy: (projection: Projection, by: 1 | -1) => void
  /** Those that should have asked long ago. */
  readonly stalled: (nowMs: number, withinMs: number) => ReadonlyArray<Projection>
}

export const make = (): ClaimWatch => {
  const seen = new Map<Projection, Seen>()
  const of = (projection: Projection) => {
    const known = seen.get(projection)
    if (known !== undefined) return known
    const made = { at: 0, busy: 0 }
    seen.set(projection, made)
    return made
  }
  return {
    asked: (projection, nowMs) => {
      of(projection).at = nowMs
    },
    busy: (projection, by) => {
      of(projection).busy += by
    },
    stalled: (nowMs, withinMs) =>
      [...seen].filter(([, { at, busy }]) => busy === 0 && nowMs - at > withinMs).map(([projection]) => projection)
  }
}

export const ClaimWatch = Context.Reference<ClaimWatch>("wordloom/delivery/ClaimWatch", { defaultValue: make })
