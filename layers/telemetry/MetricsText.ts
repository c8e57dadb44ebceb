/** Families of series in Prometheus' text format 0.0.4 and in OpenMetrics 1.0, which differ in little and strictly. */
import type { Exemplar } from "../../src/telemetry/Exemplars.ts"
import type { MetricsFormat } from "../../src/telemetry/MetricsReport.ts"
import type { Family, Sample } from "./Families.ts"

const number = (value: number) =>
  value === Number.POSITIVE_INFINITY ? "+Inf" : value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value)

/** Hardly any value has one of these, and there are thousands of values in a scrape. */
const special = /["\\\n]/

const escaped = (value: string) =>
  special.test(value)
    ? value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\"", "\\\"")
    : value

/** OpenMetrics has one spelling of a bound, which is Go's: `1.0`, `1.048576e+06`. */
const bound = (le: string) => {
  if (le === "+Inf") return le
  const text = /[.e]/.test(le) ? le : `${le}.0`
  const dot = text.indexOf(".")
  if (dot <= 6) return text
  const digits = `${text[0]}.${text.slice(1, dot)}${text.slice(dot + 1)}`.replace(/\.?0+$/, "")
  return `${digits}e+${String(dot - 1).padStart(2, "0")}`
}

const labelsText = (labels: Sample["labels"], as: MetricsFormat) => {
  let text = ""
  for (const name of Object.keys(labels)) {
    const value = as === "openmetrics" && name === "le" ? bound(labels[name]!) : escaped(labels[name]!)
    text += `${text === "" ? "{" : ","}${name}="${value}"`
  }
  return text === "" ? "" : `${text}}`
}

/** Most labels are the same at every scrape, and making their text took most of its time. */
const known: Readonly<Record<MetricsFormat, WeakMap<Sample["labels"], string>>> = {
  text: new WeakMap(),
  openmetrics: new WeakMap()
}

const labelsOf = (labels: Sample["labels"], as: MetricsFormat): string => {
  const text = known[as].get(labels) ?? labelsText(labels, as)
  known[as].set(labels, text)
  return text
}

/** The ids take 70 of the 128 characters that an exemplar's labels may have. */
const exemplarOf = ({ at, spanId, traceId, value }: Exemplar) =>
  ` # {trace_id="${traceId}",span_id="${spanId}"} ${number(value)} ${(at / 1_000).toFixed(3)}`

/** OpenMetrics describes a counter without its `_total`, which belongs to the sample. */
const familyName = (name: string, { type }: Family, format: MetricsFormat) =>
  format === "openmetrics" && type === "counter" ? name.replace(/_total$/, "") : name

const helpOf = (help: string, format: MetricsFormat) =>
  format === "openmetrics" ? escaped(help) : help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")

export const format = (
  families: ReadonlyArray<Family>,
  prefixOf: (name: string) => string,
  as: MetricsFormat
): string => {
  const lines: Array<string> = []
  for (const family of families) {
    const name = prefixOf(family.name)
    const described = familyName(name, family, as)
    lines.push(`# HELP ${described} ${helpOf(family.help, as)}`, `# TYPE ${described} ${family.type}`)
    for (const { exemplar, labels, suffix, value } of family.samples) {
      const told = as === "openmetrics" && exemplar !== undefined ? exemplarOf(exemplar) : ""
      lines.push(`${name}${suffix}${labelsOf(labels, as)} ${number(value)}${told}`)
    }
  }
  if (as === "openmetrics") lines.push("# EOF")
  return `${lines.join("\n")}\n`
}

export const count = (families: ReadonlyArray<Family>): number =>
  families.reduce((sum, { samples }: { readonly samples: ReadonlyArray<Sample> }) => sum + samples.length, 0)
