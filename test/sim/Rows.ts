/** What an observer who sees every answer of the database must believe of each outbox row. */
import type { EntityId } from "../../src/domain/Entity.ts"
import type { Projection } from "../../src/outbox/Projection.ts"

export interface Hold {
  readonly token: string
  readonly worker: string
  /** Milliseconds since the simulation began. */
  until: number
}

export interface RowFacts {
  readonly id: number
  readonly projection: Projection
  readonly entity: EntityId
  /** `block3`: the entity in words. */
  readonly name: string
  readonly version: number
  readonly op: "upsert" | "delete"
  readonly traced: boolean
  readonly createdAt: number
  state: "open" | "done" | "dead"
  endedAt: number
  /** Since it was written, or replayed. */
  attempts: number
  crashes: number
  alone: boolean
  /** Not to be claimed before. */
  dueAt: number
  hold: Hold | undefined
  /** The numbers of all attempts that are recorded. */
  readonly recorded: Array<number>
  everDead: boolean
  replayed: boolean
  /** How many spans of each kind there must be: one per answer that reached a living worker. */
  processTold: number
  lostTold: number
}

export const shown = (row: RowFacts): string => `#${row.id} ${row.name}@${row.version}`

export const isHeld = (row: RowFacts, now: number): boolean => row.hold !== undefined && row.hold.until > now
