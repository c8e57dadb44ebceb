/** The lanes of the outboxes and who leases them: plain values, no IO. */
import type { EntityId } from "../../src/domain/Entity.ts"
import type { DatabaseMicros } from "../../src/outbox/Leases.ts"
import { Projection } from "../../src/outbox/Projection.ts"

export interface Claim {
  readonly token: string
  readonly worker: string
  readonly claimedAt: DatabaseMicros
  readonly until: DatabaseMicros
  /** The rows in flight. */
  readonly ids: ReadonlyArray<number>
}

export interface Lane {
  readonly projection: Projection
  readonly lane: number
  /** The number of the claim that took it last: the lane whose turn was longest ago comes first. */
  readonly turn: number
  readonly claim: Claim | null
}

const laneCount = 32

/** Random in every kind of UUID, and the same for all rows of an entity. */
export const laneOf = (id: EntityId): number => Number.parseInt(id.slice(-2), 16) % laneCount

export const allFree: ReadonlyArray<Lane> = Projection.literals.flatMap((projection) =>
  Array.from({ length: laneCount }, (_, lane) => ({ projection, lane, turn: 0, claim: null }))
)

export const byTurn = (a: Lane, b: Lane): number => a.turn - b.turn || a.lane - b.lane

/** The lane without what is settled; free once nothing is left. */
export const without = (lane: Lane, ids: ReadonlySet<number>): Lane => {
  const left = lane.claim?.ids.filter((id) => !ids.has(id)) ?? []
  return { ...lane, claim: lane.claim === null || left.length === 0 ? null : { ...lane.claim, ids: left } }
}

/** Who has each row that is in flight. */
export const inFlight = (lanes: ReadonlyArray<Lane>): ReadonlyMap<number, Claim> =>
  new Map(lanes.flatMap(({ claim }) => claim === null ? [] : claim.ids.map((id) => [id, claim] as const)))
