/** The same request twice is one write: who repeats a request under its key gets the first answer again. */
import { Context, type Effect, Schema } from "effect"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"

/** The key was used before for a request that said something else. */
export class KeyReused extends Schema.TaggedError<KeyReused>("wordloom/idempotency/KeyReused")("KeyReused", {
  key: Schema.String
}) {
  override get message() {
    return "this Idempotency-Key was used for another request"
  }
}

export class Idempotency extends Context.Service<Idempotency, {
  /**
   * Runs `effect` in the transaction that also remembers its answer. A failure is not remembered. Without a key it only
   * runs. Keys are kept as long as done rows are (`OUTBOX_RETENTION`).
   */
  readonly once: <A, I, E, R>(
    request: { readonly key: string | undefined; readonly said: string },
    answer: Schema.Codec<A, I>,
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | KeyReused | StoreUnavailable, R>
}>()("wordloom/idempotency/Idempotency") {}
