/** One outbox row and what can happen to it: plain values, no IO. */
import type { Change } from "../../src/domain/Change.ts"
import type { TraceContext } from "../../src/domain/TraceContext.ts"
import {
  crashes,
  type DatabaseMicros,
  type Delivery,
  type LostAttempt,
  type Settlement,
  type Spent
} from "../../src/outbox/Leases.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import type { CurrentRequest } from "../../src/telemetry/CurrentRequest.ts"
import type { Claim } from "./Lanes.ts"

/**
 * Never tried; waiting until `readyAt`; the same and to be tried by itself; or ended. Who has it is said by its lane.
 */
export type State =
  | { readonly _tag: "Fresh" | "Waiting" | "Alone" }
  | { readonly _tag: "Finished"; readonly as: "done" | "dead"; readonly at: DatabaseMicros }

export interface Row {
  readonly projection: Projection
  readonly id: number
  readonly change: Change
  readonly trace: TraceContext | null
  readonly request: CurrentRequest
  readonly state: State
  /** Those that have ended. */
  readonly attempts: number
  /** Attempts in a row that nobody settled. */
  readonly crashes: number
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
  readonly detail: string | null
  /** When it could be tried again. */
  readonly dueAt: DatabaseMicros | null
  readonly spent: Spent | null
}

/** Due again at `at`. */
const again = (row: Row, now: DatabaseMicros, at: DatabaseMicros): Row => ({
  ...row,
  state: { _tag: "Waiting" },
  waitingSince: now,
  readyAt: at,
  updatedAt: now
})

const finished = (row: Row, as: "done" | "dead", now: DatabaseMicros): Row => ({
  ...row,
  state: { _tag: "Finished", as, at: now },
  attempts: row.attempts + 1,
  updatedAt: now
})

const ended = (
  row: Row,
  claim: Claim,
  now: DatabaseMicros,
  how: Pick<Attempt, "outcome"> & Partial<Attempt>
): Attempt => ({
  projection: row.projection,
  id: row.id,
  attempt: row.attempts + 1,
  worker: claim.worker,
  claimedAt: claim.claimedAt,
  endedAt: now,
  errorType: null,
  detail: null,
  dueAt: null,
  spent: null,
  ...how
})

/** A row that is given back was not tried: its attempt does not count, and leaves no record. */
export const settled = (
  row: Row,
  claim: Claim,
  settlement: Settlement,
  now: DatabaseMicros,
  spent: Spent | null
): { readonly row: Row; readonly attempts: ReadonlyArray<Attempt> } => {
  switch (settlement._tag) {
    case "Done": {
      const done = { ...finished(row, "done", now), error: null }
      return { row: done, attempts: [ended(row, claim, now, { outcome: settlement.outcome, spent })] }
    }
    case "Retry": {
      const { delayMs, detail, errorType: type } = settlement
      const back = { ...again(row, now, now + delayMs * 1_000), attempts: row.attempts + 1, crashes: 0 }
      return {
        row: { ...back, reclaimed: false, error: { type, detail } },
        attempts: [
          ended(row, claim, now, { outcome: "retry_scheduled", errorType: type, detail, dueAt: back.readyAt, spent })
        ]
      }
    }
    case "Dead": {
      const { detail, errorType: type } = settlement
      const dead = { ...finished(row, "dead", now), error: { type, detail } }
      return {
        row: dead,
        attempts: [ended(row, claim, now, { outcome: "dead_lettered", errorType: type, detail, spent })]
      }
    }
    case "Release": {
      const { delayMs, why } = settlement
      const back = again(row, now, now + delayMs * 1_000)
      const error = why === null ? row.error : { type: why.errorType, detail: why.detail }
      // It was to be tried by itself, and it was not tried.
      const state = row.state._tag === "Alone" ? row.state : back.state
      return { row: { ...back, state, error }, attempts: [] }
    }
  }
}

const lostError = "lease_expired"

const fateOf = (row: Row, attemptsMax: number): LostAttempt["fate"] =>
  row.crashes + 1 >= crashes.deadAt
    ? "crash_loop"
    : row.attempts + 1 >= attemptsMax
    ? "lease_expired"
    : row.crashes + 1 >= crashes.aloneAt
    ? "alone"
    : "retried"

/** Nobody settled it in time: that attempt is lost, and was the last one if there are no more. */
export const lost = (row: Row, claim: Claim, attemptsMax: number, now: DatabaseMicros) => {
  const fate = fateOf(row, attemptsMax)
  const isBuried = fate === "crash_loop" || fate === "lease_expired"
  const back: Row = {
    ...again(row, now, now),
    state: { _tag: fate === "alone" ? "Alone" : "Waiting" },
    attempts: row.attempts + 1,
    crashes: row.crashes + 1,
    reclaimed: true,
    error: { type: lostError, detail: null }
  }
  const buried: Row = {
    ...finished(row, "dead", now),
    error: { type: fate, detail: "its last worker never settled it" }
  }
  const told: LostAttempt = {
    id: row.id,
    attempt: row.attempts + 1,
    worker: claim.worker,
    claimedAt: claim.claimedAt,
    lostAt: now,
    trace: row.trace,
    fate
  }
  return {
    row: isBuried ? buried : back,
    told,
    attempt: ended(row, claim, now, { outcome: "lease_lost", errorType: lostError })
  }
}

/** As if it had just been written, but for its age and history. */
export const replayed = (row: Row, now: DatabaseMicros): Row => ({
  ...again(row, now, now),
  attempts: 0,
  crashes: 0,
  reclaimed: false,
  error: null
})

export const toDelivery = ({ change, request, ...row }: Row): Delivery => ({
  id: row.id,
  kind: change.kind,
  entityId: change.id,
  version: change.version,
  op: change.op,
  attempt: row.attempts + 1,
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
