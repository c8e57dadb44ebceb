/** One commit for everything written inside. */
import { Context, type Effect } from "effect"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

export class Transaction extends Context.Service<Transaction, {
  /** Commits when `effect` succeeds, else nothing of it remains. A `run` inside a `run` joins the outer one. */
  readonly run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | StoreUnavailable, R>
}>()("wordloom/outbox/Transaction") {}
