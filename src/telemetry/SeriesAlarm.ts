/** Warns when there are so many series that something makes labels of what it should not. */
import { Context, Effect, Layer, Ref } from "effect"
import { MetricsReport } from "./MetricsReport.ts"

/** Requirement S3-68: above it somebody should look; the product itself has some hundreds. */
export const seriesMax = 10_000

export class SeriesAlarm extends Context.Service<SeriesAlarm, {
  /** One look: counts, and warns when the limit has been passed since the last. */
  readonly sample: Effect.Effect<void>
  /** What the last look found wrong. */
  readonly note: Effect.Effect<string | undefined>
}>()("wordloom/telemetry/SeriesAlarm") {
  static readonly layer = (max = seriesMax) =>
    Layer.effect(
      SeriesAlarm,
      Effect.gen(function*() {
        const report = yield* MetricsReport
        const over = yield* Ref.make<number | undefined>(undefined)
        const sample = Effect.gen(function*() {
          const series = yield* report.series
          const before = yield* Ref.getAndSet(over, series > max ? series : undefined)
          if (series <= max || before !== undefined) return
          yield* Effect.logWarning("there are too many series: a label has values that are not from a closed list", {
            series,
            series_max: max
          })
        })
        const note = Effect.map(
          Ref.get(over),
          (series) => series === undefined ? undefined : `degraded: ${series} series on /metrics, ${max} are allowed`
        )
        return SeriesAlarm.of({ sample, note })
      })
    )
}
