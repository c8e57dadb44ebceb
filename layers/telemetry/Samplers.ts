/** OpenTelemetry's samplers by their standard names; a ratio keeps the same traces wherever it is the same. */
import { trace } from "@opentelemetry/api"
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  SamplingDecision
} from "@opentelemetry/sdk-trace-base"
import type { SettingValues } from "../../src/settings/Settings.ts"
import * as Baseline from "../../src/telemetry/Baseline.ts"
import { TraceStateText } from "./TraceStateText.ts"

export const ratioSampler = (ratio: number): Sampler => {
  const baseline = Baseline.baselineOf(ratio)
  return {
    shouldSample: (context, traceId) => {
      const tracestate = trace.getSpanContext(context)?.traceState?.serialize() || null
      return Baseline.isWithin(baseline, traceId, tracestate)
        ? {
          decision: SamplingDecision.RECORD_AND_SAMPLED,
          traceState: new TraceStateText(Baseline.sampled(baseline, tracestate))
        }
        : { decision: SamplingDecision.NOT_RECORD, traceState: new TraceStateText(Baseline.unsampled(tracestate)) }
    },
    toString: () => `RatioSampler{${ratio}}`
  }
}

export const samplerOf = ({ sampler, samplerRatio }: SettingValues): Sampler => {
  switch (sampler) {
    case "always_on":
      return new AlwaysOnSampler()
    case "always_off":
      return new AlwaysOffSampler()
    case "parentbased_always_on":
      return new ParentBasedSampler({ root: new AlwaysOnSampler() })
    case "parentbased_always_off":
      return new ParentBasedSampler({ root: new AlwaysOffSampler() })
    case "parentbased_traceidratio":
      return new ParentBasedSampler({ root: ratioSampler(samplerRatio) })
  }
}
