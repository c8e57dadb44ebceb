/** Whether a process can do its work now, by named checks. Liveness asks none of them. */
import { Context, type Effect } from "effect"

export interface CheckResult {
  readonly status: "pass" | "fail" | "skip"
  readonly latency_ms?: number
  /** Where it listens. */
  readonly port?: number
  readonly message?: string
}

export class Health extends Context.Service<Health, {
  /** Is everything there that the next piece of work needs? A `skip` does not count. */
  readonly ready: Effect.Effect<Readonly<Record<string, CheckResult>>>
  /** Has everything been prepared that is prepared once? */
  readonly startup: Effect.Effect<Readonly<Record<string, CheckResult>>>
}>()("wordloom/health/Health") {}
