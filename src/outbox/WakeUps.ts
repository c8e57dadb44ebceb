/**
 * Hints that something was left in an outbox, so that an idle worker need not wait for its next look.
 *
 * Only a latency hint: it may come late, twice or never; the committed rows alone say what there is to do.
 */
import { Context, Effect } from "effect"

export interface WakeUps {
  /** How many hints there have been. Ask before looking for work, so that a hint during the look is not missed. */
  readonly count: Effect.Effect<number>
  /** Returns as soon as there have been more than `count`. */
  readonly beyond: (count: number) => Effect.Effect<void>
}

/** Without a source of hints there are none, and workers look by themselves. */
export const WakeUps = Context.Reference<WakeUps>("wordloom/outbox/WakeUps", {
  defaultValue: () => ({ count: Effect.succeed(0), beyond: () => Effect.never })
})
