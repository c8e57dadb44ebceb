/** What became of every span, counted: produced = exported + dropped + sampled out + buffered. */
import * as Metrics from "../../src/telemetry/Metrics.ts"
import type { ExportFailureReason } from "./ExportFailure.ts"

export type DropReason = "queue_full" | "bytes_full" | "export_failed" | "rejected" | "stopped"

const add = (result: "exported" | "dropped" | "sampled_out", by: number) => {
  if (by > 0) Metrics.spans.addUnsafe({ result }, by)
}

export const exported = (by: number): void => add("exported", by)

export const sampledOut = (by: number): void => add("sampled_out", by)

export const dropped = (reason: DropReason, by: number): void => {
  add("dropped", by)
  if (by > 0) Metrics.spansDropped.addUnsafe({ reason }, by)
}

export const exportFailed = (reason: ExportFailureReason): void => Metrics.exportFailures.addUnsafe({ reason })

let waiting = 0

/** They wait for their export, or for their trace's fate. */
export const held = (by: number): void => {
  waiting += by
  Metrics.spansBuffered.setUnsafe({}, waiting)
}

export const released = (by: number): void => held(-by)
