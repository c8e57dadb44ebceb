/** The queue of spans to the collector: bounded, counted, and open about how much room it has left. */
import { SpanStatusCode, TraceFlags } from "@opentelemetry/api"
import {
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanExporter,
  type SpanProcessor
} from "@opentelemetry/sdk-trace-base"
import type { SettingValues } from "../../src/settings/Settings.ts"
import { spans } from "../../src/telemetry/Metrics.ts"

const add = (result: "exported" | "dropped", by: number) => spans.addUnsafe({ result }, by)

export interface SpanQueue extends SpanProcessor {
  /** Whether that many ordinary spans would find room; if not, they count as dropped. */
  readonly hasRoom: (spans: number) => boolean
}

/** The last quarter of the queue is for what failed. */
const ordinaryShare = 0.75

/** A collector that is down must not fail the program that it watches, not even at its end. */
export const make = (exporter: SpanExporter, settings: SettingValues): SpanQueue => {
  const { spanQueueMax } = settings
  let queued = 0
  const counting: SpanExporter = {
    export: (batch, done) => {
      // Not at its end: an export that never ends must not close the queue for good.
      queued -= batch.length
      exporter.export(batch, (result) => {
        // The codes are an enumeration of a package that is not ours to import: 0 is success.
        const code: number = result.code
        add(code === 0 ? "exported" : "dropped", batch.length)
        done(result)
      })
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve()
  }
  const inner = new BatchSpanProcessor(counting, {
    maxQueueSize: spanQueueMax,
    maxExportBatchSize: Math.min(settings.spanBatchMax, spanQueueMax),
    scheduledDelayMillis: settings.spanDelayMs,
    exportTimeoutMillis: settings.exportTimeoutMs
  })
  const fits = (span: ReadableSpan) =>
    queued < (span.status.code === SpanStatusCode.ERROR ? spanQueueMax : spanQueueMax * ordinaryShare)
  return {
    onStart: (span, context) => inner.onStart(span, context),
    onEnd: (span) => {
      if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0) return
      if (!fits(span)) return add("dropped", 1)
      queued++
      inner.onEnd(span)
    },
    forceFlush: () => inner.forceFlush().catch(() => {}),
    shutdown: () => inner.shutdown().catch(() => {}),
    hasRoom: (wanted) => {
      const room = queued + wanted <= spanQueueMax * ordinaryShare
      if (!room) add("dropped", wanted)
      return room
    }
  }
}
