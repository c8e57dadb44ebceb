/** What `/metrics` answers: every series of the process, in the format that the scraper asked for. */
import { Context, type Effect } from "effect"

/** OpenMetrics has exemplars and the plain text has none; whoever does not ask gets what everybody reads. */
export type MetricsFormat = "text" | "openmetrics"

export class MetricsReport extends Context.Service<MetricsReport, {
  /** From memory alone: no scrape ever waits for a database. */
  readonly render: (format: MetricsFormat) => Effect.Effect<string>
  readonly series: Effect.Effect<number>
}>()("wordloom/telemetry/MetricsReport") {}
