/**
 * Counters, gauges and histograms whose labels come from closed lists: another value does not compile.
 *
 * They are used in the middle of the work, so none of them throws: what cannot be counted is counted as a failure of
 * the telemetry, and the work goes on.
 */
import { Clock, Context, Effect, Metric, Tracer } from "effect"
import { type Buckets, type Exemplar, note } from "./Exemplars.ts"
import { KeptTraces } from "./KeptTraces.ts"
import { combinations, type LabelLists, type LabelsOf } from "./Labels.ts"
import { quietly } from "./TelemetryFailure.ts"

/** What is known of an instrument before anything was observed. */
export interface Description {
  readonly name: string
  readonly help: string
  readonly type: "counter" | "gauge" | "histogram"
  readonly lists: LabelLists
  /** The most samples that it can ever have. */
  readonly samplesMax: number
  /** By series. */
  readonly exemplars: Map<string, Buckets>
}

const declared: Array<Description> = []

/** Every instrument of the product, in the order in which they are written down. */
export const instruments: ReadonlyArray<Description> = declared

interface Instrument<L extends LabelLists, M> extends Description {
  /** Without labels; tests read it. */
  readonly metric: M
  readonly labelled: (labels: LabelsOf<L>) => Series<M>
}

interface Series<M> {
  /** The same text wherever the series is read. */
  readonly key: string
  readonly metric: M
}

export interface Counter<L extends LabelLists> extends Instrument<L, Metric.Counter<number>> {
  readonly add: (labels: LabelsOf<L>, by?: number) => Effect.Effect<void>
  /** Outside of any fiber. */
  readonly addUnsafe: (labels: LabelsOf<L>, by?: number, context?: Context.Context<never>) => void
}

export interface Gauge<L extends LabelLists> extends Instrument<L, Metric.Gauge<number>> {
  readonly set: (labels: LabelsOf<L>, value: number) => Effect.Effect<void>
  readonly move: (labels: LabelsOf<L>, by: number) => Effect.Effect<void>
  readonly setUnsafe: (labels: LabelsOf<L>, value: number) => void
}

export interface Histogram<L extends LabelLists> extends Instrument<L, Metric.Histogram<number>> {
  /** `span` is what the number tells of; the fiber's own when not given, and no trace at all when `null`. */
  readonly observe: (labels: LabelsOf<L>, value: number, span?: Tracer.AnySpan | null) => Effect.Effect<void>
  readonly observeUnsafe: (
    labels: LabelsOf<L>,
    value: number,
    context: Context.Context<never>,
    span?: Tracer.AnySpan | null
  ) => void
}

const none = Context.empty()

/** The same text for the same series, wherever it is read. */
export const seriesKey = (labels: Readonly<Record<string, string>>): string => Object.values(labels).join("\u0000")

const describe = <L extends LabelLists, M extends Metric.Metric<any, any>>(
  metric: M,
  of: Pick<Description, "name" | "help" | "type"> & { readonly lists: L },
  samples: number
): Instrument<L, M> => {
  const names = Object.keys(of.lists)
  const series = new Map<string, Series<M>>()
  const alone = { key: "", metric }
  const described: Instrument<L, M> = {
    ...of,
    samplesMax: combinations(of.lists) * samples,
    exemplars: new Map(),
    metric,
    // A metric made anew for each observation costs more than the observation.
    labelled: (given) => {
      if (names.length === 0) return alone
      const labels: Record<string, string> = {}
      for (const name of names) labels[name] = of.lists[name]!.admit((given as Record<string, string>)[name]!)
      const key = seriesKey(labels)
      const known = series.get(key)
      if (known !== undefined) return known
      const made = { key, metric: Metric.withAttributes(metric, labels) as M }
      series.set(key, made)
      return made
    }
  }
  declared.push(described)
  return described
}

const inContext = (observe: (context: Context.Context<never>) => void) =>
  Effect.contextWith((context: Context.Context<never>) => Effect.sync(() => quietly(() => observe(context))))

export const counter = <const L extends LabelLists = {}>(
  name: string,
  help: string,
  lists: L = {} as L
): Counter<L> => {
  const metric = Metric.counter(name, { description: help, incremental: true })
  const described = describe(metric, { name, help, type: "counter", lists }, 1)
  const { labelled } = described
  return {
    ...described,
    add: (labels, by = 1) => inContext((context) => labelled(labels).metric.updateUnsafe(by, context)),
    addUnsafe: (labels, by = 1, context = none) => quietly(() => labelled(labels).metric.updateUnsafe(by, context))
  }
}

export const gauge = <const L extends LabelLists = {}>(name: string, help: string, lists: L = {} as L): Gauge<L> => {
  const described = describe(Metric.gauge(name, { description: help }), { name, help, type: "gauge", lists }, 1)
  const { labelled } = described
  return {
    ...described,
    set: (labels, value) => inContext((context) => labelled(labels).metric.updateUnsafe(value, context)),
    setUnsafe: (labels, value) => quietly(() => labelled(labels).metric.updateUnsafe(value, none)),
    move: (labels, by) => inContext((context) => labelled(labels).metric.modifyUnsafe(by, context))
  }
}

/** A disabled tracer's spans have none. */
const isTraceId = /^[0-9a-f]{32}$/

/** Where a value belongs: the first bound that is not below it; the last bucket is without bound. */
const bucketOf = (bounds: ReadonlyArray<number>, value: number) => {
  const found = bounds.findIndex((bound) => value <= bound)
  return found === -1 ? bounds.length : found
}

export const histogram = <const L extends LabelLists = {}>(
  name: string,
  help: string,
  bounds: ReadonlyArray<number>,
  lists: L = {} as L
): Histogram<L> => {
  const metric = Metric.histogram(name, { description: help, boundaries: bounds })
  // A bucket for each bound and one without, the sum and the count.
  const described = describe(metric, { name, help, type: "histogram", lists }, bounds.length + 3)
  const { exemplars, labelled } = described

  const bucketsOf = (key: string) => {
    const known = exemplars.get(key)
    if (known !== undefined) return known
    const made = Array.from<Exemplar | undefined>({ length: bounds.length + 1 })
    exemplars.set(key, made)
    return made
  }

  const observe = (
    labels: LabelsOf<L>,
    value: number,
    context: Context.Context<never>,
    span: Tracer.AnySpan | null | undefined = Context.getOrUndefined(
      context as Context.Context<Tracer.ParentSpan>,
      Tracer.ParentSpan
    )
  ) => {
    const series = labelled(labels)
    series.metric.updateUnsafe(value, context)
    if (span == null || !isTraceId.test(span.traceId)) return
    const at = Context.get(context, Clock.Clock).currentTimeMillisUnsafe()
    const exemplar = { traceId: span.traceId, spanId: span.spanId, value, at }
    note(Context.get(context, KeptTraces), exemplar, span.sampled, bucketsOf(series.key), bucketOf(bounds, value))
  }

  return {
    ...described,
    observe: (labels, value, span) => inContext((context) => observe(labels, value, context, span)),
    observeUnsafe: (labels, value, context, span) => quietly(() => observe(labels, value, context, span))
  }
}
