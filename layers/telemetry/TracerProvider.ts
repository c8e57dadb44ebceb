/** OpenTelemetry's SDK as Effect's tracer: what is recorded, of which resource, how it is sampled and where it goes. */
import * as OtelTracer from "@effect/opentelemetry/OtelTracer"
import * as Otel from "@opentelemetry/api"
import { resourceFromAttributes } from "@opentelemetry/resources"
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BasicTracerProvider,
  ParentBasedSampler,
  type Sampler,
  type SpanProcessor,
  TraceIdRatioBasedSampler
} from "@opentelemetry/sdk-trace-base"
import { Effect, Layer, Tracer } from "effect"
import { formatTraceparent, parseTraceparent, parseTracestate } from "../../src/domain/TraceContext.ts"
import type { SettingValues } from "../../src/settings/Settings.ts"
import { safe } from "../../src/telemetry/SafeTracer.ts"
import { SpanBudget } from "../../src/telemetry/SpanBudget.ts"
import { safeCarrier, TraceCarrier } from "../../src/telemetry/TraceCarrier.ts"
import { debugSampler } from "./DebugSampler.ts"
import { RecordedSpan, spanContextOf } from "./RecordedSpan.ts"
import { SpanPipeline } from "./SpanPipeline.ts"
import * as Pipeline from "./SpanPipeline.ts"
import type { SpanQueue } from "./SpanQueue.ts"
import { telemetryFailed } from "./TelemetryErrors.ts"
import { TraceStateText } from "./TraceStateText.ts"

const carrier: TraceCarrier = {
  inject: (span) => {
    const { spanId, traceFlags, traceId, traceState } = spanContextOf(span)
    const traceparent = formatTraceparent({ traceId, spanId, flags: traceFlags })
    return traceparent === undefined ? undefined : { traceparent, tracestate: traceState?.serialize() || null }
  },
  extract: (context) => {
    const ids = parseTraceparent(context?.traceparent)
    const traceState = parseTracestate(context?.tracestate)
    return ids === undefined
      ? undefined
      : OtelTracer.makeExternalSpan({
        traceId: ids.traceId,
        spanId: ids.spanId,
        traceFlags: ids.flags,
        ...(traceState === null ? {} : { traceState: new TraceStateText(traceState) })
      })
  }
}

const samplerOf = ({ sampler, samplerRatio }: SettingValues): Sampler => {
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
      return new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(samplerRatio) })
  }
}

/** Values are percent-encoded by the specification, and typed by people who have not read it. */
const decoded = (value: string) => {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}

const resourceOf = (settings: SettingValues, serviceName: string) => {
  const given = settings.resourceAttributes.split(",").filter((pair) => pair.includes("=")).map((pair) => {
    const at = pair.indexOf("=")
    return [pair.slice(0, at).trim(), decoded(pair.slice(at + 1).trim())] as const
  })
  return resourceFromAttributes({
    "deployment.environment.name": settings.environment,
    ...Object.fromEntries(given),
    "service.name": serviceName
  })
}

const into = (queue: SpanQueue): SpanProcessor => ({
  onStart: () => {},
  onEnd: (span) => {
    if ((span.spanContext().traceFlags & Otel.TraceFlags.SAMPLED) !== 0) queue.offer(span)
  },
  forceFlush: () => Effect.runPromise(queue.flush),
  // It is shared, and ends with the last tracer of the process.
  shutdown: () => Promise.resolve()
})

/** Spans of a trace that is not sampled, or that go nowhere, are not worth making after the fact. */
const budgetOf = (settings: SettingValues, queue: SpanQueue | undefined): SpanBudget => ({
  allows: (sampled, spans) => {
    if (queue === undefined || settings.sampler === "always_off") return false
    return (sampled || settings.sampler === "always_on") && queue.hasRoom(spans)
  }
})

const provider = (settings: SettingValues, serviceName: string, queue: SpanQueue | undefined) =>
  new BasicTracerProvider({
    resource: resourceOf(settings, serviceName),
    sampler: debugSampler(samplerOf(settings)),
    spanProcessors: queue === undefined ? [] : [into(queue)]
  })

const tracerOf = (tracer: Otel.Tracer) =>
  safe(Tracer.make({ span: (options) => new RecordedSpan(tracer, options) }), telemetryFailed)

/** The tracer of one service, for as long as its scope lives; its last spans are flushed when it closes. */
export const layer = (settings: SettingValues, serviceName: string): Layer.Layer<never> =>
  Layer.unwrap(Effect.map(SpanPipeline, ({ queue }) => {
    const made = provider(settings, serviceName, queue)
    return Layer.mergeAll(
      Layer.succeed(Tracer.Tracer, tracerOf(made.getTracer("wordloom"))),
      Layer.succeed(TraceCarrier, safeCarrier(carrier, telemetryFailed)),
      Layer.succeed(SpanBudget, budgetOf(settings, queue))
    )
  })).pipe(Layer.provide(Pipeline.layer(settings)))
