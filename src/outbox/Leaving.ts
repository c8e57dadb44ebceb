/** Giving up on work that asks the database, without waiting for the database to agree. */
import { Effect, Fiber } from "effect"

/**
 * Whoever gives up, a time limit or a client that went away, goes on at once; the work is told to stop and stops when
 * it can. A database that is silent answers neither the cancelling of a statement nor the undoing of a transaction.
 */
export const leaving = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.forkDetach(effect), (fiber) =>
    Effect.interruptible(Fiber.join(fiber)).pipe(
      Effect.onInterrupt(() => Effect.sync(() => fiber.interruptUnsafe()))
    ))
