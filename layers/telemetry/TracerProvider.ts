/** OpenTelemetry's SDK as Effect's tracer: what is recorded, of which resource, how it is sampled and where it goes. */
import * as OtelTracer from "@effect/opentelemetry/OtelTracer"
import * as Otel from "@opentelemetry/api"
import { BasicTracerProvider, type SpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Effect, Layer, Tracer } from "effect"
import { formatTraceparent, parseTraceparent, parseTracestate } from "../../src/domain/TraceContext.ts"
import type { SettingValues } from "../../src/settings/Settings.ts"
import { KeptTraces } from "../../src/telemetry/KeptTraces.ts"
import { safe } from "../../src/telemetry/SafeTracer.ts"
import { SpanBudget } from "../../src/telemetry/SpanBudget.ts"
import { safeCarrier, TraceCarrier } from "../../src/telemetry/TraceCarrier.ts"
import { KeepExchanged, TraceKeeping } from "../../src/telemetry/TraceKeeping.ts"
import { debugSampler } from "./DebugSampler.ts"
import type { Keeper } from "./Keeper.ts"
import { RecordedSpan, spanContextOf } from "./RecordedSpan.ts"
import { resourceOf } from "./Resource.ts"
import { samplerOf } from "./Samplers.ts"
import type { Recorder } from "./Segment.ts"
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

const scope = "wordloom"

const provider = (settings: SettingValues, serviceName: string, queue: SpanQueue | undefined) =>
  new BasicTracerProvider({
    resource: resourceOf(settings, serviceName),
    sampler: debugSampler(samplerOf(settings)),
    spanProcessors: queue === undefined ? [] : [into(queue)]
  })

const tracerOf = (tracer: Otel.Tracer, recorder: Recorder | undefined) =>
  safe(Tracer.make({ span: (options) => new RecordedSpan(tracer, options, recorder) }), telemetryFailed)

const keeping = (keeper: Keeper | undefined) =>
  keeper === undefined
    ? Layer.empty
    : Layer.mergeAll(
      Layer.succeed(TraceKeeping, keeper),
      Layer.succeed(KeepExchanged, keeper.rule.reasons.size === 0 ? undefined : keeper),
      Layer.succeed(KeptTraces, keeper)
    )

/** The tracer of one service, for as long as its scope lives; its last spans are flushed when it closes. */
export const layer = (settings: SettingValues, serviceName: string): Layer.Layer<never> =>
  Layer.unwrap(Effect.map(SpanPipeline, ({ keeper, queue }) => {
    const made = provider(settings, serviceName, queue)
    const recorder = keeper === undefined || queue === undefined
      ? undefined
      : { keeper, offer: queue.offer, resource: resourceOf(settings, serviceName), scope }
    return Layer.mergeAll(
      Layer.succeed(Tracer.Tracer, tracerOf(made.getTracer(scope), recorder)),
      Layer.succeed(TraceCarrier, safeCarrier(carrier, telemetryFailed)),
      Layer.succeed(SpanBudget, budgetOf(settings, queue)),
      keeping(keeper)
    )
  })).pipe(Layer.provide(Pipeline.layer(settings)))
