/** What Prometheus scrapes: everything that the process knows of itself, from memory. */
import { Effect, Layer } from "effect"
import { Settings } from "../../src/settings/Settings.ts"
import { observabilitySeries } from "../../src/telemetry/Metrics.ts"
import { MetricsReport } from "../../src/telemetry/MetricsReport.ts"
import * as Families from "./Families.ts"
import * as MetricsText from "./MetricsText.ts"

/** Node's own names are the same in every program, whatever its prefix. */
const isNodes = (name: string) => name.startsWith("process_") || name.startsWith("nodejs_")

export const layer = Layer.effect(
  MetricsReport,
  Effect.gen(function*() {
    const { metricsPrefix } = yield* Settings
    const node = yield* Effect.acquireRelease(Effect.sync(Families.ofNode), ({ stop }) => Effect.sync(stop))
    const prefixed = (name: string) => isNodes(name) ? name : `${metricsPrefix}_${name}`

    let nodes = 0

    /** Node's are not read for this: each look at the event loop's delay begins a new measurement. */
    const counted = Effect.gen(function*() {
      const own = Families.own(yield* Effect.context())
      const shown = own.some(({ name, samples }) => name === observabilitySeries.name && samples.length > 0)
      const series = MetricsText.count(own) + nodes + (shown ? 0 : 1)
      yield* observabilitySeries.set({}, series)
      return series
    })

    return MetricsReport.of({
      series: counted,
      render: (format) =>
        Effect.gen(function*() {
          const ofNode = yield* node.read
          nodes = MetricsText.count(ofNode)
          yield* counted
          const families = [...Families.own(yield* Effect.context()), ...ofNode]
          return MetricsText.format(families, prefixed, format)
        })
    })
  })
)
