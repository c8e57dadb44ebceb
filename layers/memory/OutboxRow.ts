/** One outbox row and what can happen to it: plain values, no IO. */
import type { Change } from "../../src/domain/Change.ts"
import type { TraceContext } from "../../src/domain/TraceContext.ts"
import type { Batch, DatabaseMicros, Delivery, LostAttempt, Settlement } from "../../src/outbox/Leases.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import type { CurrentRequest } from "../../src/telemetry/CurrentRequest.ts"

export type State =
  | { readonly _tag: "Ready" | "Waiting" }
  | {
    readonly _tag: "Leased"
    readonly token: string
    readonly worker: string
    readonly claimedAt: DatabaseMicros
    readonly until: DatabaseMicros
  }
  | { readonly _tag: "Finished"; readonly as: "done" | "dead"; readonly at: DatabaseMicros }

export interface Row {
  readonly projection: Projection
  readonly id: number
  readonly change: Change
  readonly trace: TraceContext | null
  readonly request: CurrentRequest
  readonly state: State
  readonly attempts: number
  readonly readyAt: DatabaseMicros
  readonly waitingSince: DatabaseMicros
  readonly reclaimed: boolean
  readonly error: { readonly type: string; readonly detail: string | null } | null
  readonly createdAt: DatabaseMicros
  readonly updatedAt: DatabaseMicros
}

/** An attempt that has ended: contract §4, `outbox_attempts`. */
export interface Attempt {
  readonly projection: Projection
  readonly id: number
  readonly attempt: number
  readonly worker: string
  readonly claimedAt: DatabaseMicros
  readonly endedAt: DatabaseMicros
  readonly outcome: "acked" | "superseded" | "retry_scheduled" | "dead_lettered" | "lease_lost"
  readonly errorType: string | null
}

type Leased = Row & { readonly state: { readonly _tag: "Leased" } }

const isLeased = (row: Row): row is Leased => row.state._tag === "Leased"

export const isDue = (row: Row, now: DatabaseMicros): boolean =>
  row.state._tag === "Ready" || (row.state._tag === "Waiting" && row.readyAt <= now)

/** Who may settle: this claim, and only while its lease lasts. */
export const isHeld = (row: Row, { token }: Batch, now: DatabaseMicros): row is Leased =>
  isLeased(row) && row.state.token === token && row.state.until > now

export const isLost = (row: Row, now: DatabaseMicros): row is Leased => isLeased(row) && row.state.until < now

export const leased = (row: Row, lease: Omit<Leased["state"], "_tag">): Row => ({
  ...row,
  state: { _tag: "Leased", ...lease },
  attempts: row.attempts + 1,
  updatedAt: lease.claimedAt
})

/** Due again at `at`. */
const again = (row: Row, now: DatabaseMicros, at: DatabaseMicros): Row => ({
  ...row,
  state: { _tag: at > now ? "Waiting" : "Ready" },
  waitingSince: now,
  readyAt: at,
  updatedAt: now
})

const finished = (row: Row, as: "done" | "dead", now: DatabaseMicros): Row => ({
  ...row,
  state: { _tag: "Finished", as, at: now },
  updatedAt: now
})

const ended = (row: Leased, now: DatabaseMicros, outcome: Attempt["outcome"], errorType: string | null): Attempt => ({
  projection: row.projection,
  id: row.id,
  attempt: row.attempts,
  worker: row.state.worker,
  claimedAt: row.state.claimedAt,
  endedAt: now,
  outcome,
  errorType
})

/** A row that is given back was not tried: its attempt does not count, and leaves no record. */
export const settled = (
  row: Leased,
  settlement: Settlement,
  now: DatabaseMicros
): { readonly row: Row; readonly attempts: ReadonlyArray<Attempt> } => {
  switch (settlement._tag) {
    case "Done": {
      const done = { ...finished(row, "done", now), error: null }
      return { row: done, attempts: [ended(row, now, settlement.outcome, null)] }
    }
    case "Retry": {
      const { delayMs, detail, errorType: type } = settlement
      const back = { ...again(row, now, now + delayMs * 1_000), reclaimed: false, error: { type, detail } }
      return { row: back, attempts: [ended(row, now, "retry_scheduled", type)] }
    }
    case "Dead": {
      const { detail, errorType: type } = settlement
      const dead = { ...finished(row, "dead", now), error: { type, detail } }
      return { row: dead, attempts: [ended(row, now, "dead_lettered", type)] }
    }
    case "Release":
      return { row: { ...again(row, now, now), attempts: row.attempts - 1 }, attempts: [] }
  }
}

const lostError = "lease_expired"

/** Nobody settled it in time: that attempt is lost, and was the last one if there are no more. */
export const lost = (row: Leased, attemptsMax: number, now: DatabaseMicros) => {
  const dead = row.attempts >= attemptsMax
  const next: Row = dead
    ? { ...finished(row, "dead", now), error: { type: lostError, detail: "its last worker never settled it" } }
    : { ...again(row, now, now), reclaimed: true, error: { type: lostError, detail: null } }
  const { claimedAt, worker } = row.state
  const told: LostAttempt = {
    id: row.id,
    attempt: row.attempts,
    worker,
    claimedAt,
    lostAt: now,
    trace: row.trace,
    dead
  }
  return { row: next, told, attempt: ended(row, now, "lease_lost", lostError) }
}

/** As if it had just been written, but for its age and history. */
export const replayed = (row: Row, now: DatabaseMicros): Row => ({
  ...again(row, now, now),
  attempts: 0,
  reclaimed: false,
  error: null
})

export const toDelivery = ({ change, request, ...row }: Row): Delivery => ({
  id: row.id,
  kind: change.kind,
  entityId: change.id,
  version: change.version,
  op: change.op,
  attempt: row.attempts,
  waitingSince: row.waitingSince,
  readyAt: row.readyAt,
  createdAt: row.createdAt,
  trace: row.trace,
  requestId: request.requestId,
  libraryId: change.libraryId,
  actor: request.actor,
  fields: change.fields,
  reclaimed: row.reclaimed
})
