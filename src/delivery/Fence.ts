/**
 * Stops a worker from writing when it cannot know any more that it still holds its lease.
 *
 * A process that stood still (a long collection, a stopped machine) goes on where it was, and its next step may be a
 * write that somebody else has made long since. The far side's versions and the settlement's guard make that harmless;
 * not writing makes it rare.
 */
import { Clock, Context, Duration, Effect } from "effect"

export interface Fence {
  /** Interrupts whoever asks once half a lease has passed since it was last known to be held. */
  readonly check: Effect.Effect<void>
}

/** Asked before every write to a far side; outside a lease nothing is fenced. */
export const Fence = Context.Reference<Fence>("wordloom/delivery/Fence", {
  defaultValue: () => ({ check: Effect.void })
})

export interface HeldLease extends Fence {
  /** Whether somebody was kept from writing. */
  readonly hasStopped: () => boolean
  /** The request that began or lengthened the lease was sent at this time, in monotonic nanoseconds. */
  readonly confirmed: (sentAt: bigint) => void
  /** The lease may last still, for all that this process knows. */
  readonly mayLast: Effect.Effect<boolean>
}

/** A lease begins after its request was sent, so counting from there errs on the safe side. */
export const make = (sentAt: bigint, leaseFor: Duration.Duration): HeldLease => {
  const lease = Duration.toNanosUnsafe(leaseFor)
  let last = sentAt
  let stopped = false
  const within = (nanos: bigint) => Effect.map(Clock.monotonicTimeNanos, (now) => now - last <= nanos)
  return {
    confirmed: (at) => {
      last = at
    },
    mayLast: within(lease),
    hasStopped: () => stopped,
    check: Effect.flatMap(within(lease / 2n), (sure) => {
      stopped ||= !sure
      return sure ? Effect.void : Effect.interrupt
    })
  }
}
