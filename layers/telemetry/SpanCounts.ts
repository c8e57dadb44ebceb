/** What became of every span, counted: produced = exported + dropped + sampled out + buffered. */
import { Context, Metric } from "effect"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import type { ExportFailureReason } from "./ExportFailure.ts"
import { telemetryFailed } from "./TelemetryErrors.ts"

export type DropReason = "queue_full" | "bytes_full" | "export_failed" | "rejected" | "stopped"

const results = {
  exported: Metric.withAttributes(Metrics.spans, { result: "exported" }),
  dropped: Metric.withAttributes(Metrics.spans, { result: "dropped" }),
  sampled_out: Metric.withAttributes(Metrics.spans, { result: "sampled_out" })
}

/** Called from the middle of other people's work. */
const quietly = (count: () => void) => {
  try {
    count()
  } catch (error) {
    telemetryFailed(error)
  }
}

const add = (metric: Metric.Counter<number>, by: number) => {
  if (by > 0) quietly(() => metric.updateUnsafe(by, Context.empty()))
}

export const exported = (by: number): void => add(results.exported, by)

export const sampledOut = (by: number): void => add(results.sampled_out, by)

export const dropped = (reason: DropReason, by: number): void => {
  add(results.dropped, by)
  add(Metric.withAttributes(Metrics.spansDropped, { reason }), by)
}

export const exportFailed = (reason: ExportFailureReason): void =>
  add(Metric.withAttributes(Metrics.exportFailures, { reason }), 1)

let waiting = 0

/** They wait for their export, or for their trace's fate. */
export const held = (by: number): void => {
  waiting += by
  quietly(() => Metrics.spansBuffered.updateUnsafe(waiting, Context.empty()))
}

export const released = (by: number): void => held(-by)
