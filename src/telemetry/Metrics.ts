/** Every metric: its name without the prefix, its unit and meaning, and the closed lists that its labels come from. */
import { errorTypes, retryReasons } from "../outbox/ErrorType.ts"
import { Projection } from "../outbox/Projection.ts"
import { methods, routesMax, type RouteTemplate, statusCodes } from "./HttpLabels.ts"
import { counter, gauge, histogram } from "./Instruments.ts"
import { atMost, oneOf } from "./Labels.ts"

/** Seconds; the usual ladder from 5 ms to 10 s. */
const latency = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** Seconds; a change may wait for minutes when something is down. */
const waiting = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800]
/** Bytes, powers of four from 64 B to 16 MiB. */
const sizes = [64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216]

const projection = oneOf(Projection.literals)

/** `none`: what is no route of ours. */
const route = { method: oneOf(methods), route: atMost<RouteTemplate | "none">(routesMax) }

export const httpRequests = counter("http_requests_total", "Requests answered, by method, route and status_code", {
  ...route,
  status_code: oneOf(statusCodes)
})
export const httpDuration = histogram("http_request_duration_seconds", "Seconds from request to answer", latency, route)
export const httpInFlight = gauge("http_requests_in_flight", "Requests being answered now")
export const httpRequestSize = histogram("http_request_size_bytes", "Bytes of request bodies", sizes, route)
export const httpResponseSize = histogram("http_response_size_bytes", "Bytes of answers", sizes, route)

export const operations = ["create", "query", "update", "delete"] as const
export const tables = [
  "tags",
  "libraries",
  "blocks",
  "outbox",
  "chronicle_entries",
  "search_documents",
  "idempotency_keys",
  "realtime_sessions",
  "realtime_messages"
] as const
const statement = { operation: oneOf(operations), table: oneOf(tables) }

export const dbQueries = counter("db_queries_total", "Statements, by operation and table", statement)
export const dbQueryDuration = histogram("db_query_duration_seconds", "Seconds per statement", latency, statement)
export const dbConnectionsOpen = gauge(
  "db_connections_open",
  "Connections of this process to the database; sampled every 15 s"
)
export const dbConnectionsMax = gauge("db_connections_max", "The most that its pools may open")
export const dbConnectionsWaiting = gauge(
  "db_connections_waiting",
  "Who waits for a connection of the pool; sampled every 15 s"
)
export const oldestTransactionAge = gauge(
  "db_oldest_transaction_age_seconds",
  "Age of the transaction that holds back vacuum, 0 when there is none or no time of it; sampled every 15 s"
)

const outbox = { projection }

export const enqueued = counter("outbox_enqueued_total", "Rows left in an outbox, by projection", outbox)
export const processed = counter("outbox_processed_total", "Attempts settled, by projection and result (ok, failed)", {
  ...outbox,
  result: oneOf(["ok", "failed"])
})
export const retries = counter("outbox_retries_total", "Attempts to be tried again, by projection and reason", {
  ...outbox,
  reason: oneOf(retryReasons)
})
export const deadRows = counter("outbox_dead_total", "Rows buried, by projection and error_type", {
  ...outbox,
  error_type: oneOf(errorTypes)
})
export const reclaims = counter(
  "outbox_reclaims_total",
  "Rows freed from a worker that never settled them",
  outbox
)
export const guardMisses = counter(
  "outbox_ack_guard_misses_total",
  "Settlements that came after the lease was lost",
  outbox
)
export const idlePolls = counter("outbox_idle_polls_total", "Claims that found nothing", outbox)
export const inFlight = gauge("outbox_in_flight", "Rows this worker holds now", outbox)
export const breakerOpen = gauge(
  "outbox_breaker_open",
  "1 while nothing is claimed because the far side refuses everything",
  outbox
)
export const batchSizes = histogram(
  "outbox_batch_size",
  "Rows per claim",
  [1, 5, 10, 25, 50, 100, 250, 500, 1000],
  outbox
)
export const lag = histogram("outbox_lag_seconds", "Seconds from commit to settlement", waiting, outbox)
export const wait = histogram("outbox_wait_seconds", "Seconds from due to claimed", waiting, outbox)
export const pending = gauge("outbox_pending", "Rows waiting, sampled every 15 s", outbox)
export const oldestPendingAge = gauge(
  "outbox_oldest_pending_age_seconds",
  "Age of the oldest waiting row, sampled every 15 s",
  outbox
)

export const fanOutPending = gauge(
  "outbox_fan_out_pending",
  "New names that have not reached all blocks yet, sampled every 15 s"
)
export const fanOutBlocks = counter("outbox_fan_out_blocks_total", "Blocks left for search because of a new name")
export const visibleResults = ["visible", "dead", "timeout", "unavailable", "crowded", "stopping"] as const
export const visibleWait = histogram(
  "search_visible_wait_seconds",
  "Seconds that writes waited to be found, by result (visible, dead, timeout, unavailable, crowded, stopping)",
  latency,
  { result: oneOf(visibleResults) }
)
export const searchDrift = gauge(
  "search_drift",
  "Entities that the search index tells wrongly, as last compared, by class (missing, stale, orphaned)",
  { class: oneOf(["missing", "stale", "orphaned"]) }
)
export const reconciles = counter("search_reconciles_total", "Comparisons, by result (clean, drift, failed)", {
  result: oneOf(["clean", "drift", "failed"])
})

const pushed = oneOf(["ok", "failed"])
export const realtimeConnections = gauge("realtime_connections", "Open WebSocket connections")
export const realtimeMessages = counter(
  "realtime_messages_total",
  "Messages of sessions, by direction (received, sent to members, filled from the history) and result (ok, failed)",
  { direction: oneOf(["received", "sent", "filled"]), result: pushed }
)
export const realtimeSessions = gauge("realtime_sessions", "Sessions that this gateway holds members of")
export const refusalCodes = [
  "frame_invalid",
  "rate_limited",
  "session_unknown",
  "not_joined",
  "too_many_sessions",
  "client_id_reused",
  "unavailable",
  "internal"
] as const
export const realtimeRefused = counter("realtime_refused_total", "Frames of clients that were refused, by code", {
  code: oneOf(refusalCodes)
})
export const realtimeJoins = counter(
  "realtime_joins_total",
  "Joined sessions, by kind (fresh; resumed; expired: some of what was missed is not kept any more)",
  { kind: oneOf(["fresh", "resumed", "expired"]) }
)
export const realtimeClosed = counter(
  "realtime_connections_closed_total",
  "WebSocket connections ended by the gateway, by reason (slow, silent, rate, invalid, draining)",
  { reason: oneOf(["slow", "silent", "rate", "invalid", "draining"]) }
)
export const realtimePushes = counter("realtime_pushes_total", "Pushes to gateways, by result (ok, failed)", {
  result: pushed
})
export const realtimeBuried = counter("realtime_buried_total", "Messages that the bus put aside as dead")
export const realtimeLatency = histogram(
  "realtime_push_seconds",
  "Seconds from a message's commit to its push to a gateway",
  waiting
)

export const spans = counter("tracing_spans_total", "Spans, by result (exported, dropped, sampled_out)", {
  result: oneOf(["exported", "dropped", "sampled_out"])
})
export const spansDropped = counter(
  "tracing_spans_dropped_total",
  "Dropped spans, by reason (queue_full, bytes_full, export_failed, rejected, stopped)",
  { reason: oneOf(["queue_full", "bytes_full", "export_failed", "rejected", "stopped"]) }
)
export const spansBuffered = gauge(
  "tracing_spans_buffered",
  "Spans that wait for their export, or for their trace's fate"
)
export const exportFailureReasons = [
  "timeout",
  "unreachable",
  "dns",
  "tls",
  "throttled",
  "too_large",
  "client_error",
  "server_error",
  "invalid_answer",
  "internal"
] as const

export const exportFailures = counter("tracing_export_failures_total", "Exports that failed, by reason", {
  reason: oneOf(exportFailureReasons)
})
export const invalidContexts = counter(
  "tracing_invalid_context_total",
  "Trace contexts that came in and broke the rules, by carrier (http, grpc, nats, tcp, ws, outbox)",
  { carrier: oneOf(["http", "grpc", "nats", "tcp", "ws", "outbox"]) }
)
export const debugRequests = counter(
  "tracing_debug_requests_total",
  "Requests that asked for a debug trace, by result (honoured, invalid, expired, over_budget)",
  { result: oneOf(["honoured", "invalid", "expired", "over_budget"]) }
)
export const logLinesDropped = counter(
  "log_lines_dropped_total",
  "Log lines that nobody will read, by reason (full: standard output took none for too long; failed: it refused them)",
  { reason: oneOf(["full", "failed"]) }
)
export const keepSignals = counter(
  "tracing_keep_signals_total",
  "What processes told each other of kept traces, by result (told, heard, rebuilt; failed: a turn of theirs)",
  { result: oneOf(["told", "heard", "rebuilt", "failed"]) }
)
export const observabilityErrors = counter("observability_errors_total", "Failures of the telemetry itself")
export const observabilitySeries = gauge("observability_series", "Series on /metrics, this one among them")
