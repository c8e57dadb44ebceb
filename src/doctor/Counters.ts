/** What a process's own counters say of its requests: how many failed, how many were slow, since when; no IO. */

export interface Requests {
  readonly failed: number
  /** The same by status. */
  readonly failedBy: ReadonlyMap<string, number>
  readonly slow: number
  /** Those above it are certainly slow: a histogram knows nothing between its bounds. Milliseconds. */
  readonly slowOverMs: number
  /** When the process began. Milliseconds since 1970. */
  readonly since: number
  readonly spansDropped: number
}

interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const sampleOf = (line: string): ReadonlyArray<Sample> => {
  const [, name, labels = "", value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line) ?? []
  if (name === undefined) return []
  const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = "", said = ""]) =>
    [key, said] as const
  )
  return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }]
}

/** All that a scrape says, in its order. */
export const samplesOf = (metrics: string): ReadonlyArray<Sample> => metrics.split("\n").flatMap(sampleOf)

const sum = (samples: ReadonlyArray<Sample>) => samples.reduce((all, { value }) => all + value, 0)

/** Probes, scrapes and the console's files have no trace. */
const isTraced = ({ labels: { route = "" } }: Sample) => !/^\/(health|metrics|console)\b/.test(route)

const boundOf = ({ labels: { le = "" } }: Sample) => le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le)

/** `undefined` where somebody else's metrics are. */
export const requestsOf = (metrics: string, slowMs: number): Requests | undefined => {
  const samples = samplesOf(metrics)
  const named = (suffix: string) => samples.filter(({ name }) => name.endsWith(suffix))
  const [start] = named("process_start_time_seconds")
  const requests = named("_http_requests_total").filter(isTraced)
  if (start === undefined || requests.length === 0) return undefined
  const buckets = named("_http_request_duration_seconds_bucket").filter(isTraced)
  const bound = Math.min(...buckets.map(boundOf).filter((le) => le * 1_000 >= slowMs))
  const failedBy = new Map<string, number>()
  for (const { labels: { status_code: status = "" }, value } of requests) {
    if (status.startsWith("5")) failedBy.set(status, (failedBy.get(status) ?? 0) + value)
  }
  return {
    failed: [...failedBy.values()].reduce((all, value) => all + value, 0),
    failedBy,
    slow: sum(named("_http_request_duration_seconds_count").filter(isTraced)) -
      sum(buckets.filter((bucket) => boundOf(bucket) === bound)),
    slowOverMs: bound * 1_000,
    since: start.value * 1_000,
    spansDropped: sum(named("_tracing_spans_dropped_total"))
  }
}
