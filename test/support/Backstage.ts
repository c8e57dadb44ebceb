/** What a test may do to a store behind the back of its ports, whichever store it is. */
import { Context, type Duration, Effect } from "effect"
import type { Projection } from "../../src/outbox/Projection.ts"

/** One row of `outbox_attempts`. */
export interface AttemptRecord {
  readonly projection: Projection
  readonly id: number
  readonly attempt: number
  readonly worker: string
  readonly outcome: string
  readonly error_type: string | null
}

export class Backstage extends Context.Service<Backstage, {
  readonly clear: Effect.Effect<void>
  /** Moves the clock that leases are read by: the test clock, or the rows themselves. */
  readonly passTime: (duration: Duration.Input) => Effect.Effect<void>
  /** In the order in which they ended. */
  readonly attempts: Effect.Effect<ReadonlyArray<AttemptRecord>>
}>()("wordloom/test/Backstage") {}

/** Tests of one block share their store, so each begins by emptying it. */
export const fresh = <A, E, R>(test: Effect.Effect<A, E, R>) =>
  Effect.andThen(Backstage.use(({ clear }) => clear), test)

export const passTime = (duration: Duration.Input) => Backstage.use((stage) => stage.passTime(duration))
export const attemptsOf = (id: number) =>
  Backstage.use(({ attempts }) => Effect.map(attempts, (all) => all.filter((attempt) => attempt.id === id)))
