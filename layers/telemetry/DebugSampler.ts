/** Keeps a trace that somebody asked to see, and marks it, where it begins here; leaves every other to `inner`. */
import { type Context, createContextKey } from "@opentelemetry/api"
import { type Sampler, SamplingDecision } from "@opentelemetry/sdk-trace-base"
import { marked } from "../../src/telemetry/DebugTrace.ts"
import { TraceStateText } from "./TraceStateText.ts"

const begins = createContextKey("wordloom.debug")

/** The context in which a span is begun whose annotations have `DebugTrace`. */
export const asDebug = (context: Context): Context => context.setValue(begins, true)

export const debugSampler = (inner: Sampler): Sampler => ({
  shouldSample: (context, ...rest) =>
    context.getValue(begins) === true
      ? { decision: SamplingDecision.RECORD_AND_SAMPLED, traceState: new TraceStateText(marked(null)) }
      : inner.shouldSample(context, ...rest),
  toString: () => `DebugSampler{${inner.toString()}}`
})
