/** Where PostgreSQL's clock stands on this process's time line, so that the two can be drawn as one. */
import { Context } from "effect"
import type { DatabaseMicros } from "../outbox/Leases.ts"

interface Sample {
  readonly offset: bigint
  /** A sample is right to half of its round trip. */
  readonly roundTrip: bigint
  readonly takenAt: bigint
}

/** Five minutes, in nanoseconds: two clocks drift apart by some milliseconds meanwhile at the most. */
const maxAge = 300_000_000_000n

export interface DatabaseClock {
  /**
   * Process clock minus database clock in nanoseconds, by the best sample so far. All arguments are times of one
   * statement: sent, answered, and what the database's clock said in between.
   */
  readonly offset: (sentAt: bigint, answeredAt: bigint, said: DatabaseMicros) => bigint
}

export const make = (): DatabaseClock => {
  let best: Sample | undefined
  return {
    offset: (sentAt, answeredAt, said) => {
      const roundTrip = answeredAt - sentAt
      if (best === undefined || roundTrip <= best.roundTrip || answeredAt - best.takenAt > maxAge) {
        const offset = (sentAt + answeredAt) / 2n - BigInt(Math.round(said)) * 1_000n
        best = { offset, roundTrip, takenAt: answeredAt }
      }
      return best.offset
    }
  }
}

/** One for the process, which has one database. */
export const DatabaseClock = Context.Reference<DatabaseClock>("wordloom/delivery/DatabaseClock", { defaultValue: make })
