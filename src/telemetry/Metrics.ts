/** Every metric: its name without the prefix, its unit and meaning. Label values come from closed lists only. */
import { Metric } from "effect"

/** Seconds; the usual ladder from 5 ms to 10 s. */
const latency = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** Seconds; a change may wait for minutes when something is down. */
const waiting = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800]
/** Bytes, powers of four from 64 B to 16 MiB. */
const sizes = [64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216]

const counter = (name: string, description: string) => Metric.counter(name, { description, incremental: true })
const histogram = (name: string, description: string, boundaries: ReadonlyArray<number>) =>
  Metric.histogram(name, { description, boundaries })

export const httpRequests = counter("http_requests_total", "Requests answered, by method, route and status_code")
export const httpDuration = histogram("http_request_duration_seconds", "Seconds from request to answer", latency)
export const httpInFlight = Metric.gauge("http_requests_in_flight", { description: "Requests being answered now" })
export const httpRequestSize = histogram("http_request_size_bytes", "Bytes of request bodies", sizes)
export const httpResponseSize = histogram("http_response_size_bytes", "Bytes of answers", sizes)

export const dbQueries = counter("db_queries_total", "Statements, by operation and table")
export const dbQueryDuration = histogram("db_query_duration_seconds", "Seconds per statement", latency)
export const oldestTransactionAge = Metric.gauge("db_oldest_transaction_age_seconds", {
  description:
    "Age of the transaction that holds back vacuum, 0 when there is none or no time of it; sampled every 15 s"
})

export const enqueued = counter("outbox_enqueued_total", "Rows left in an outbox, by projection")
export const processed = counter("outbox_processed_total", "Attempts settled, by projection and result (ok, failed)")
export const retries = counter("outbox_retries_total", "Attempts to be tried again, by projection and reason")
export const deadRows = counter("outbox_dead_total", "Rows buried, by projection and error_type")
export const reclaims = counter("outbox_reclaims_total", "Rows freed from a worker that never settled them")
export const guardMisses = counter("outbox_ack_guard_misses_total", "Settlements that came after the lease was lost")
export const idlePolls = counter("outbox_idle_polls_total", "Claims that found nothing")
export const inFlight = Metric.gauge("outbox_in_flight", { description: "Rows this worker holds now" })
export const breakerOpen = Metric.gauge("outbox_breaker_open", {
  description: "1 while nothing is claimed because the far side refuses everything"
})
export const batchSizes = histogram("outbox_batch_size", "Rows per claim", [1, 5, 10, 25, 50, 100, 250, 500, 1000])
export const lag = histogram("outbox_lag_seconds", "Seconds from commit to settlement", waiting)
export const wait = histogram("outbox_wait_seconds", "Seconds from due to claimed", waiting)
export const pending = Metric.gauge("outbox_pending", { description: "Rows waiting, sampled every 15 s" })
export const oldestPendingAge = Metric.gauge("outbox_oldest_pending_age_seconds", {
  description: "Age of the oldest waiting row, sampled every 15 s"
})

export const fanOutPending = Metric.gauge("outbox_fan_out_pending", {
  description: "New names that have not reached all blocks yet, sampled every 15 s"
})
export const fanOutBlocks = counter("outbox_fan_out_blocks_total", "Blocks left for search because of a new name")
export const visibleWait = histogram(
  "search_visible_wait_seconds",
  "Seconds that writes waited to be found, by result (visible, dead, timeout, unavailable, crowded, stopping)",
  latency
)
export const searchDrift = Metric.gauge("search_drift", {
  description: "Entities that the search index tells wrongly, as last compared, by class (missing, stale, orphaned)"
})
export const reconciles = counter("search_reconciles_total", "Comparisons, by result (clean, drift, failed)")

export const realtimeConnections = Metric.gauge("realtime_connections", { description: "Open WebSocket connections" })
export const realtimeMessages = counter(
  "realtime_messages_total",
  "Messages of sessions, by direction (received, sent, filled) and result (ok, failed)"
)
export const realtimeClosed = counter(
  "realtime_connections_closed_total",
  "WebSocket connections ended by the gateway, by reason (slow, silent, rate, invalid, draining)"
)
export const realtimePushes = counter("realtime_pushes_total", "Pushes to gateways, by result (ok, failed)")
export const realtimeBuried = counter("realtime_buried_total", "Messages that the bus put aside as dead")
export const realtimeLatency = histogram(
  "realtime_push_seconds",
  "Seconds from a message's commit to its push to a gateway",
  waiting
)

export const spans = counter("tracing_spans_total", "Spans, by result (exported, dropped)")
export const invalidContexts = counter(
  "tracing_invalid_context_total",
  "Trace contexts that were invalid and so ignored, by carrier (http, grpc, nats, tcp, websocket, outbox)"
)
export const observabilityErrors = counter("observability_errors_total", "Failures of the telemetry itself")
