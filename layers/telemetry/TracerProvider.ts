/** Effect's tracer by OpenTelemetry's conventions: what is recorded, of which resource, how sampled, where it goes. */
import * as OtelTracer from "@effect/opentelemetry/OtelTracer"
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
import type { Recording } from "./Segment.ts"
import { scope, SpanPipeline } from "./SpanPipeline.ts"
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

/** Spans of a trace that is not sampled, or that go nowhere, are not worth making after the fact. */
const budgetOf = (settings: SettingValues, queue: SpanQueue | undefined): SpanBudget => ({
  allows: (sampled, spans) => {
    if (queue === undefined || settings.sampler === "always_off") return false
    return (sampled || settings.sampler === "always_on") && queue.hasRoom(spans)
  }
})

const tracerOf = (recording: Recording) =>
  safe(Tracer.make({ span: (options) => new RecordedSpan(recording, options) }), telemetryFailed)

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
    const recording = {
      resource: resourceOf(settings, serviceName),
      scope,
      sampler: debugSampler(samplerOf(settings)),
      recorder: keeper === undefined || queue === undefined ? undefined : { keeper, offer: queue.offer }
    }
    return Layer.mergeAll(
      Layer.succeed(Tracer.Tracer, tracerOf(recording)),
      Layer.succeed(TraceCarrier, safeCarrier(carrier, telemetryFailed)),
      Layer.succeed(SpanBudget, budgetOf(settings, queue)),
      keeping(keeper)
    )
  })).pipe(Layer.provide(Pipeline.layer(settings)))
