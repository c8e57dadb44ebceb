/** OpenTelemetry's SDK as Effect's tracer: what is recorded, of which resource, how it is sampled and where it goes. */
import * as OtelTracer from "@effect/opentelemetry/OtelTracer"
import type * as Otel from "@opentelemetry/api"
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http"
import { resourceFromAttributes } from "@opentelemetry/resources"
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BasicTracerProvider,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler
} from "@opentelemetry/sdk-trace-base"
import { Effect, Layer, Tracer } from "effect"
import { formatTraceparent, parseTraceparent, parseTracestate } from "../../src/domain/TraceContext.ts"
import type { SettingValues } from "../../src/settings/Settings.ts"
import { safe } from "../../src/telemetry/SafeTracer.ts"
import { SpanBudget } from "../../src/telemetry/SpanBudget.ts"
import { TraceCarrier } from "../../src/telemetry/TraceCarrier.ts"
import { debugSampler } from "./DebugSampler.ts"
import { RecordedSpan, spanContextOf } from "./RecordedSpan.ts"
import * as SpanQueue from "./SpanQueue.ts"
import { telemetryFailed } from "./TelemetryErrors.ts"
import { TraceStateText } from "./TraceStateText.ts"

/** How long a stopping process waits for its last spans. */
const flushMax = "3 seconds"

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

const exporting = (settings: SettingValues): SpanQueue.SpanQueue =>
  SpanQueue.make(
    new OTLPTraceExporter({ url: settings.tracesUrl, timeoutMillis: settings.exportTimeoutMs }),
    settings
  )

/** Spans of a trace that is not sampled, or that go nowhere, are not worth making after the fact. */
const budgetOf = (settings: SettingValues, queue: SpanQueue.SpanQueue | undefined): SpanBudget => ({
  allows: (sampled, spans) => {
    if (queue === undefined || settings.sampler === "always_off") return false
    return (sampled || settings.sampler === "always_on") && queue.hasRoom(spans)
  }
})

const provider = (settings: SettingValues, serviceName: string, queue: SpanQueue.SpanQueue | undefined) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      new BasicTracerProvider({
        resource: resourceOf(settings, serviceName),
        sampler: debugSampler(samplerOf(settings)),
        spanProcessors: queue === undefined ? [] : [queue]
      })
    ),
    (made) =>
      Effect.promise(() => made.forceFlush().then(() => made.shutdown(), () => {})).pipe(
        Effect.interruptible,
        Effect.timeoutOption(flushMax)
      )
  )

const tracerOf = (tracer: Otel.Tracer) =>
  safe(Tracer.make({ span: (options) => new RecordedSpan(tracer, options) }), telemetryFailed)

/** The tracer of one service, for as long as its scope lives; its last spans are flushed when it closes. */
export const layer = (settings: SettingValues, serviceName: string): Layer.Layer<never> =>
  Layer.unwrap(Effect.gen(function*() {
    const queue = settings.tracing === "export" ? exporting(settings) : undefined
    const made = yield* provider(settings, serviceName, queue)
    return Layer.mergeAll(
      Layer.succeed(Tracer.Tracer, tracerOf(made.getTracer("wordloom"))),
      Layer.succeed(TraceCarrier, carrier),
      Layer.succeed(SpanBudget, budgetOf(settings, queue))
    )
  }))
