/** How long an import bears with a store that is away: one that restarts is waited for, one that is gone is not. */
import { Effect, Schedule } from "effect"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"

/** About ten seconds in all. */
const patience = Schedule.max([Schedule.exponential("300 millis"), Schedule.recurs(5)])

/** Tries again what the store did not answer to. It must do no harm twice. */
export const patiently = <A, E extends { readonly _tag: string }, R>(
  effect: Effect.Effect<A, E | StoreUnavailable, R>
) => Effect.retry(effect, { schedule: patience, while: ({ _tag }) => _tag === "StoreUnavailable" })
