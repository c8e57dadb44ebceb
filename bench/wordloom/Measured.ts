/** Times a worker from its start until so many rows are settled, and reports what they cost. */
import { Context, Effect, Layer, Metric } from "effect"
import { SqlClient } from "effect/sql"
import { launch } from "../../programs/compose/Main.ts"
import type { Leases } from "../../src/outbox/Leases.ts"
import { Settings } from "../../src/settings/Settings.ts"
import { spans } from "../../src/telemetry/Metrics.ts"
import { report, whenTold } from "../ChildSide.ts"
import { meter, type Usage, warmRows } from "../Meter.ts"
import { counting, foundation } from "./RealWorker.ts"

/** Spans that found no room in the exporter's queue. */
const dropped = () => Metric.withAttributes(spans.metric, { result: "dropped" }).valueUnsafe(Context.empty()).count

/** Ends the process with its report. */
export const launchMeasured = <E>(
  wanted: number,
  worker: Layer.Layer<never, E, Layer.Success<typeof foundation> | Leases>
) => {
  let measure: (rows: number) => Usage
  let startedAt = 0
  let rows = 0
  let warm = 0
  let usage: Usage | undefined
  /** When how many rows were settled: milliseconds and rows. */
  const progress: Array<readonly [ms: number, rows: number]> = []

  const settled = (more: number) => {
    rows += more
    if (rows >= warmRows && warm === 0 && warmRows > 0) {
      warm = rows
      measure = meter()
    }
    progress.push([Math.round(performance.now() - startedAt), rows])
    if (rows < wanted || usage !== undefined) return
    usage = measure(rows - warm)
    // An orderly stop, so that the last spans are exported.
    process.kill(process.pid, "SIGTERM")
  }

  /** Starts with the worker: the pool is there, the schema is up to date, and what is loaded late is loaded. */
  const clock = Layer.effectDiscard(Effect.gen(function*() {
    yield* SqlClient.SqlClient
    const { tracing } = yield* Settings
    if (tracing !== "off") yield* Effect.promise(() => import("../../layers/telemetry/TracerProvider.ts"))
    startedAt = performance.now()
    measure = meter()
  }))

  process.once("exit", () => {
    if (usage !== undefined) report({ ...usage, progress, dropped: dropped() })
  })
  whenTold(() => process.exit(3))
  launch(worker.pipe(Layer.provide(counting(settled)), Layer.provide(clock), Layer.provide(foundation)))
}
