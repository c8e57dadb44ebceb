/** One conversation with the far side, as every row of the batch shows it in its own trace. */
import { Clock, Effect, type Result } from "effect"
import { withoutStack } from "../telemetry/Spans.ts"
import { Fence } from "./Fence.ts"

export interface EngineCall {
  /** `es.bulk`, `search.upsert`, `chronicle.append`, … */
  readonly name: string
  /** Nanoseconds since 1970 by this process's clock. */
  readonly startedAt: bigint
  readonly endedAt: bigint
  readonly attributes: Readonly<Record<string, string | number>>
}

/**
 * Runs `effect` as the batch's own CLIENT span and notes its times for the spans of the rows, however it ends. It does
 * not begin once the lease is in doubt.
 */
export const timed = <A, E, R>(
  name: string,
  attributes: EngineCall["attributes"],
  effect: Effect.Effect<A, E, R>
): Effect.Effect<{ readonly result: Result.Result<A, E>; readonly call: EngineCall }, never, R> =>
  Effect.gen(function*() {
    yield* (yield* Fence).check
    const startedAt = yield* Clock.currentTimeNanos
    const result = yield* Effect.result(Effect.withSpan(name, { kind: "client", attributes }, withoutStack)(effect))
    const endedAt = yield* Clock.currentTimeNanos
    return { result, call: { name, startedAt, endedAt, attributes } }
  })
