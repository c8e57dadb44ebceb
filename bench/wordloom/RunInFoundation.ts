/** Runs one effect on what every program of the product stands on, with tracing off, and ends. */
import { Effect, Layer } from "effect"
import * as OpenTelemetry from "../../layers/telemetry/OpenTelemetry.ts"
import { foundation } from "./RealWorker.ts"

const stands = OpenTelemetry.layer("wordloom-bench").pipe(Layer.provideMerge(foundation))

export const runInFoundation = <A, E>(effect: Effect.Effect<A, E, Layer.Success<typeof stands>>) =>
  Effect.runPromise(Effect.provide(effect, stands))
