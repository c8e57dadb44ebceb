/** What Prometheus scrapes: everything that the process knows of itself, from memory. */
import { Effect, Layer } from "effect"
import manifest from "../../package.json" with { type: "json" }
import { Settings } from "../../src/settings/Settings.ts"
import { observabilitySeries } from "../../src/telemetry/Metrics.ts"
import { MetricsReport } from "../../src/telemetry/MetricsReport.ts"
import * as Families from "./Families.ts"
import * as MetricsText from "./MetricsText.ts"

/** By OpenTelemetry's rules for Prometheus: queries join it to learn of which environment a number is. */
const target = (environment: string): Families.Family => ({
  name: "target_info",
  help: "The version of this process, and the environment it is part of",
  type: "gauge",
  samples: [{
    suffix: "",
    labels: { service_version: manifest.version, deployment_environment_name: environment },
    value: 1
  }]
})

/** What others named is called the same in every program, whatever its prefix. */
const isOthers = (name: string) => name.startsWith("process_") || name.startsWith("nodejs_") || name === "target_info"

export const layer = Layer.effect(
  MetricsReport,
  Effect.gen(function*() {
    const { environment, metricsPrefix } = yield* Settings
    const about = target(environment)
    const node = yield* Effect.acquireRelease(Effect.sync(Families.ofNode), ({ stop }) => Effect.sync(stop))
    const prefixed = (name: string) => isOthers(name) ? name : `${metricsPrefix}_${name}`

    let nodes = 0

    /** The product's own, with how many series there are beside Node's, which are not read for this. */
    const counted = Effect.gen(function*() {
      const own = [about, ...Families.own(yield* Effect.context())]
      const isShown = own.some(({ name, samples }) => name === observabilitySeries.name && samples.length > 0)
      const series = MetricsText.count(own) + nodes + (isShown ? 0 : 1)
      yield* observabilitySeries.set({}, series)
      const samples = [{ suffix: "", labels: {}, value: series }]
      return { series, own: own.map((one) => one.name === observabilitySeries.name ? { ...one, samples } : one) }
    })

    return MetricsReport.of({
      // Each look at the event loop's delay begins a new measurement, so this is none.
      series: Effect.map(counted, ({ series }) => series),
      render: (format) =>
        Effect.gen(function*() {
          const ofNode = yield* node.read
          nodes = MetricsText.count(ofNode)
          const { own } = yield* counted
          return MetricsText.format([...own, ...ofNode], prefixed, format)
        })
    })
  })
)
