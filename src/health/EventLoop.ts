/** How late the process comes to what it should do now: a process that computes too much answers nobody. */
import { Context, Effect } from "effect"

export interface EventLoop {
  /** Milliseconds; the longest since the last look. */
  readonly lagMs: Effect.Effect<number>
}

export const EventLoop = Context.Reference<EventLoop>("wordloom/health/EventLoop", {
  defaultValue: () => ({ lagMs: Effect.succeed(0) })
})
