/** A check that is asked for by many at once is made once. */
import { Deferred, Effect, type Scope } from "effect"

/**
 * Whoever asks while a check is under way gets what that one finds, so that probes never add to what a slow dependency
 * has to do. It goes on to its end although who began it has gone.
 */
export const shared = <A>(check: Effect.Effect<A>): Effect.Effect<Effect.Effect<A>, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    let current: Deferred.Deferred<A> | undefined
    return Effect.suspend(() => {
      if (current !== undefined) return Deferred.await(current)
      const result = Deferred.makeUnsafe<A>()
      current = result
      const made = Effect.onExit(check, (exit) =>
        Effect.andThen(
          Effect.sync(() => {
            current = undefined
          }),
          Deferred.done(result, exit)
        ))
      return Effect.andThen(Effect.forkIn(made, scope), Deferred.await(result))
    })
  })
