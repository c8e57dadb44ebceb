/** What all tracers of a process share: one queue to the collector, and one memory of traces that are kept. */
import { SpanKind, TraceFlags } from "@opentelemetry/api"
import { Clock, Context, Duration, Effect, Layer, Record } from "effect"
import { parseTraceparent } from "../../src/domain/TraceContext.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import type { SettingValues } from "../../src/settings/Settings.ts"
import { enqueueAttributes } from "../../src/telemetry/EnqueueSpan.ts"
import type * as KeepRule from "../../src/telemetry/KeepRule.ts"
import type { Origin } from "../../src/telemetry/TraceKeeping.ts"
import { FinishedSpan } from "./FinishedSpan.ts"
import * as Keeper from "./Keeper.ts"
import * as OtlpHttp from "./OtlpHttp.ts"
import { resourceOf } from "./Resource.ts"
import { keptState } from "./Segment.ts"
import * as SpanQueue from "./SpanQueue.ts"

/** With the second in which what is aborted may end, a stopping process waits less than three for its last spans. */
const flushFor = "1900 millis"

const sweepEvery = "1 second"

export class SpanPipeline extends Context.Service<SpanPipeline, {
  /** `undefined` when nothing is exported. */
  readonly queue: SpanQueue.SpanQueue | undefined
  readonly keeper: Keeper.Keeper | undefined
}>()("wordloom/telemetry/SpanPipeline") {}

const ruleOf = ({ sampler, traceKeep, traceSlow, traceSlowWait }: SettingValues): KeepRule.KeepRule => ({
  // Whoever says that nothing is sampled wants nothing.
  reasons: new Set(sampler === "always_off" ? [] : traceKeep),
  slow: Duration.toNanosUnsafe(traceSlow),
  slowWait: Duration.isZero(traceSlowWait) ? undefined : Duration.toNanosUnsafe(traceSlowWait)
})

/** The instrumentation scope of all spans. */
export const scope = { name: "wordloom" } as const

/** Whose spans `outbox.enqueue` are: what is said in sessions comes to logic, every other change to the API. */
const leavers: Readonly<Record<Projection, string>> = {
  search: "wordloom-api",
  chronicle: "wordloom-api",
  realtime: "wordloom-logic"
}

/** The span that a row names, told by another process than the one that left it. */
const rebuildTo = (settings: SettingValues, queue: SpanQueue.SpanQueue) => {
  const by = Record.map(leavers, (service) => ({ resource: resourceOf(settings, service), scope }))
  return ({ createdAt, projection, trace }: Origin) => {
    const ids = parseTraceparent(trace.traceparent)
    if (ids === undefined) return
    const parts = {
      name: "outbox.enqueue",
      kind: SpanKind.PRODUCER,
      spanId: ids.spanId,
      parentId: undefined,
      isRemote: false,
      begun: createdAt,
      ended: createdAt,
      attributes: { ...enqueueAttributes(projection), "wordloom.reconstructed": true }
    }
    const { flags, traceId } = ids
    const traceFlags = flags | TraceFlags.SAMPLED
    queue.offer(
      new FinishedSpan(parts, { traceId, traceFlags, traceState: keptState(trace.tracestate) }, by[projection])
    )
  }
}

const exporting = Effect.fnUntraced(function*(settings: SettingValues) {
  const queue = yield* SpanQueue.make(
    OtlpHttp.make({ url: settings.otlpTracesEndpoint, timeoutMs: settings.exportTimeoutMs }),
    settings,
    flushFor
  )
  const clock = yield* Clock.Clock
  const keeper = Keeper.make({
    rule: ruleOf(settings),
    holdMs: Duration.toMillis(settings.traceHold),
    holdBytes: settings.traceHoldBytes,
    now: () => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n),
    rebuild: rebuildTo(settings, queue)
  })
  yield* Effect.addFinalizer(() => Effect.sync(keeper.close))
  yield* Effect.sync(keeper.sweep).pipe(Effect.delay(sweepEvery), Effect.forever, Effect.forkScoped)
  return { queue, keeper }
})

const make = (settings: SettingValues) =>
  Layer.effect(
    SpanPipeline,
    settings.tracing === "export" ? exporting(settings) : Effect.succeed({ queue: undefined, keeper: undefined })
  )

/** One layer for the settings of a process, so that whoever provides it gets the same pipeline. */
const known = new WeakMap<SettingValues, Layer.Layer<SpanPipeline>>()

export const layer = (settings: SettingValues): Layer.Layer<SpanPipeline> => {
  const made = known.get(settings) ?? make(settings)
  known.set(settings, made)
  return made
}
