/** What all tracers of a process share: one queue to the collector, so that one export is in flight at a time. */
import { Context, Effect, Layer } from "effect"
import type { SettingValues } from "../../src/settings/Settings.ts"
import * as OtlpHttp from "./OtlpHttp.ts"
import * as SpanQueue from "./SpanQueue.ts"

/** How long a stopping process waits for its last spans. */
const flushFor = "3 seconds"

export class SpanPipeline extends Context.Service<SpanPipeline, {
  /** `undefined` when nothing is exported. */
  readonly queue: SpanQueue.SpanQueue | undefined
}>()("wordloom/telemetry/SpanPipeline") {}

const make = (settings: SettingValues) =>
  Layer.effect(
    SpanPipeline,
    settings.tracing !== "export"
      ? Effect.succeed({ queue: undefined })
      : Effect.map(
        SpanQueue.make(
          OtlpHttp.make({ url: settings.tracesUrl, timeoutMs: settings.exportTimeoutMs }),
          settings,
          flushFor
        ),
        (queue) => ({ queue })
      )
  )

/** One layer for the settings of a process, so that whoever provides it gets the same pipeline. */
const known = new WeakMap<SettingValues, Layer.Layer<SpanPipeline>>()

export const layer = (settings: SettingValues): Layer.Layer<SpanPipeline> => {
  const made = known.get(settings) ?? make(settings)
  known.set(settings, made)
  return made
}
