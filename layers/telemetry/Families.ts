/** Every series of the process as plain values: the product's own from Effect's registry, Node's from its library. */
import { type Context, Effect, Metric } from "effect"
import { collectDefaultMetrics, Registry } from "prom-client"
import type { Exemplar } from "../../src/telemetry/Exemplars.ts"
import { type Description, instruments, seriesKey } from "../../src/telemetry/Instruments.ts"
import { allOf } from "../../src/telemetry/Labels.ts"

type Labels = Readonly<Record<string, string>>

export interface Sample {
  /** What follows the family's name: `_bucket`, `_sum`, `_count`, or nothing. */
  readonly suffix: string
  readonly labels: Labels
  readonly value: number
  readonly exemplar?: Exemplar | undefined
}

export interface Family {
  readonly name: string
  readonly help: string
  readonly type: "counter" | "gauge" | "histogram"
  readonly samples: ReadonlyArray<Sample>
}

const bound = (value: number) => value === Number.POSITIVE_INFINITY ? "+Inf" : String(value)

const none: Labels = {}

/** Of each bucket of a series, the last one being without a bound; the same objects at every scrape. */
const bucketLabels = new WeakMap<Labels, ReadonlyArray<Labels>>()

const bucketLabelsOf = (labels: Labels, { buckets }: Metric.HistogramState): ReadonlyArray<Labels> => {
  const known = bucketLabels.get(labels)
  if (known !== undefined) return known
  const bounds = [...buckets.map(([le]) => le), Number.POSITIVE_INFINITY]
  const made = bounds.map((le) => ({ ...labels, le: bound(le) }))
  bucketLabels.set(labels, made)
  return made
}

const histogramSamples = (
  labels: Labels,
  state: Metric.HistogramState,
  exemplars: ReadonlyArray<Exemplar | undefined>
) => {
  const buckets = bucketLabelsOf(labels, state)
  return [
    ...buckets.map((labels, at): Sample => ({
      suffix: "_bucket",
      labels,
      value: state.buckets[at]?.[1] ?? state.count,
      exemplar: exemplars[at]
    })),
    { suffix: "_sum", labels, value: state.sum },
    { suffix: "_count", labels, value: state.count }
  ]
}

/** A counter that begins at zero shows its first increase; so many zeros at most. */
const zerosMax = 128

interface Zero {
  readonly key: string
  readonly sample: Sample
}

const zerosOf = ({ lists, type }: Description): ReadonlyArray<Zero> => {
  const all = type === "counter" ? allOf(lists) : []
  return all.length > zerosMax
    ? []
    : all.map((labels) => ({ key: seriesKey(labels), sample: { suffix: "", labels, value: 0 } }))
}

/** The same at every scrape. */
const known = new WeakMap<Description, ReadonlyArray<Zero>>()

const zeros = (of: Description): ReadonlyArray<Zero> => {
  const made = known.get(of) ?? zerosOf(of)
  known.set(of, made)
  return made
}

const samplesOf = (of: Description, snapshots: ReadonlyArray<Metric.Metric.Snapshot>): ReadonlyArray<Sample> => {
  const series = snapshots.map((snapshot) => {
    const labels = snapshot.attributes ?? none
    const key = seriesKey(labels)
    switch (snapshot.type) {
      case "Counter":
        return { key, samples: [{ suffix: "", labels, value: Number(snapshot.state.count) }] }
      case "Gauge":
        return { key, samples: [{ suffix: "", labels, value: Number(snapshot.state.value) }] }
      case "Histogram":
        return { key, samples: histogramSamples(labels, snapshot.state, of.exemplars.get(key) ?? []) }
      default:
        return { key, samples: [] }
    }
  })
  const seen = new Set(series.map(({ key }) => key))
  const untouched = zeros(of).filter(({ key }) => !seen.has(key))
  return [...series.flatMap(({ samples }) => samples), ...untouched.map(({ sample }) => sample)]
}

/** The product's own, in the order in which they are written down. */
export const own = (context: Context.Context<never>): ReadonlyArray<Family> => {
  const byName = new Map<string, Array<Metric.Metric.Snapshot>>()
  for (const snapshot of Metric.snapshotUnsafe(context)) {
    const known = byName.get(snapshot.id)
    if (known === undefined) byName.set(snapshot.id, [snapshot])
    else known.push(snapshot)
  }
  return instruments.map((of) => ({
    name: of.name,
    help: of.help,
    type: of.type,
    samples: samplesOf(of, byName.get(of.name) ?? [])
  }))
}

const types = { counter: "counter", gauge: "gauge", histogram: "histogram" } as const

/** `process_*` and `nodejs_*`: whoever keeps dashboards of Node programs has them under these names. */
export const ofNode = () => {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return {
    read: Effect.map(
      Effect.promise(() => registry.getMetricsAsJSON()),
      (found): ReadonlyArray<Family> =>
        found.map(({ help, name, type, values }) => ({
          name,
          help,
          type: types[String(type) as keyof typeof types],
          samples: values.map((value) => ({
            suffix: ((value as { readonly metricName?: string }).metricName ?? name).slice(name.length),
            labels: Object.fromEntries(Object.entries(value.labels).map(([key, label]) => [key, String(label)])),
            value: value.value
          }))
        }))
    ),
    stop: () => registry.clear()
  }
}
