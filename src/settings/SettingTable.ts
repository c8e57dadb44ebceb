/** Every setting: its name, other accepted spellings, default and meaning. Contract §2. */
import { Duration } from "effect"
import * as Kind from "./SettingKind.ts"

export interface Setting<A> {
  /** The first name that is set wins. */
  readonly names: readonly [string, ...ReadonlyArray<string>]
  readonly kind: Kind.SettingKind<NonNullable<A>>
  readonly fallback: A
  readonly meaning: string
}

const setting = <const K, const F extends K | undefined>(
  names: Setting<K>["names"] | string,
  kind: Kind.SettingKind<K>,
  fallback: F,
  meaning: string
): Setting<F extends undefined ? K | undefined : K> => ({
  names: typeof names === "string" ? [names] : names,
  kind,
  fallback,
  meaning
} as Setting<F extends undefined ? K | undefined : K>)

const hour = 3_600_000
const index = /^[a-z0-9][a-z0-9_.-]{0,199}$/
const indexAllowed = "an index name: lower-case letters, digits, '-', '_' and '.'"
const samplers = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio"
] as const

export const table = {
  environment: setting(
    "WORDLOOM_ENV",
    Kind.pattern(/^[\w.-]{1,64}$/, "letters, digits, '.', '_', '-'"),
    "development",
    "deployment.environment.name on every signal"
  ),
  home: setting("WORDLOOM_HOME", Kind.words, ".wordloom", "where the embedded PostgreSQL keeps its data"),
  databaseUrl: setting("DATABASE_URL", Kind.postgresUrl, undefined, "PostgreSQL; embedded when not set"),
  databasePool: setting("WORDLOOM_DATABASE_POOL", Kind.integer(3, 100), 10, "connections per process"),
  search: setting(
    "WORDLOOM_SEARCH",
    Kind.oneOf("elasticsearch", "postgres"),
    undefined,
    "the search engine; elasticsearch if ELASTIC_URL is set, else postgres"
  ),
  elasticUrl: setting("ELASTIC_URL", Kind.url, undefined, "Elasticsearch"),
  elasticIndex: setting(
    "ELASTIC_INDEX",
    Kind.pattern(index, indexAllowed),
    "wordloom-search-index",
    "the name that searches and writes use"
  ),
  elasticApiKey: setting("ELASTIC_API_KEY", Kind.secretText, undefined, "sent as Authorization: ApiKey"),
  httpHost: setting("WORDLOOM_HTTP_HOST", Kind.words, "127.0.0.1", "the address the API listens on"),
  httpPort: setting(["WORDLOOM_HTTP_PORT", "PORT"], Kind.port, 8_000, "the API's port"),
  sdkDisabled: setting("OTEL_SDK_DISABLED", Kind.flag, false, "true turns tracing off, whatever else is set"),
  tracingEnabled: setting(
    ["WORDLOOM_TRACING_ENABLED", "OTEL_EXPORT_ENABLED", "OTEL_ENABLED"],
    Kind.flag,
    undefined,
    "the switch: spans are recorded and exported"
  ),
  tracing: setting(
    "WORDLOOM_TRACING",
    Kind.oneOf("off", "local", "export"),
    undefined,
    "off: no ids anywhere; local: ids in rows, logs and headers, nothing exported; export"
  ),
  otlpEndpoint: setting(
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    Kind.url,
    "http://localhost:4318",
    "base; /v1/traces is appended"
  ),
  traceUrl: setting(
    "WORDLOOM_TRACE_URL",
    Kind.pattern(/^https?:\/\/\S*\{trace_id\}\S*$/, "an http:// or https:// address with {trace_id} in it"),
    undefined,
    "where people look at a trace, such as http://localhost:16686/trace/{trace_id}; explain links to it"
  ),
  otlpTracesEndpoint: setting(
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    Kind.url,
    undefined,
    "used as it is; wins over the base"
  ),
  sampler: setting(
    "OTEL_TRACES_SAMPLER",
    Kind.oneOf(...samplers),
    "parentbased_always_on",
    "traceidratio is treated as parentbased_traceidratio"
  ),
  samplerRatio: setting("OTEL_TRACES_SAMPLER_ARG", Kind.ratio, 1, "the ratio of the ratio samplers"),
  traceKeep: setting(
    "WORDLOOM_TRACE_KEEP",
    Kind.anyOf("error", "slow", "debug"),
    ["error", "slow", "debug"],
    "traces that are kept whatever the ratio, unless the sampler is always_off; nothing or none: no trace is"
  ),
  traceSlow: setting(
    "WORDLOOM_TRACE_SLOW",
    Kind.duration(0, hour),
    Duration.seconds(1),
    "a request, or the handling of a row, that takes longer is slow"
  ),
  traceSlowWait: setting(
    "WORDLOOM_TRACE_SLOW_WAIT",
    Kind.duration(0, 24 * hour),
    Duration.zero,
    "so is a row that waited longer than this to be claimed; 0: waiting is not slowness"
  ),
  traceHold: setting(
    "WORDLOOM_TRACE_HOLD",
    Kind.duration(0, hour),
    Duration.minutes(2),
    "how long the spans of a trace that is not kept wait for another process to find it worth keeping"
  ),
  traceHoldBytes: setting(
    "WORDLOOM_TRACE_HOLD_BYTES",
    Kind.integer(0, 1_073_741_824),
    33_554_432,
    "how much memory of each process they may take"
  ),
  traceTrust: setting(
    "WORDLOOM_TRACE_TRUST",
    Kind.oneOf("accept", "trust", "restart"),
    "accept",
    "a caller's traceparent: its ids under our own sampling; its sampling too; or a new trace that links to it"
  ),
  traceSecret: setting(
    "WORDLOOM_TRACE_SECRET",
    Kind.secretKey(16),
    undefined,
    "signs debug tokens, and decides which of callers' traces are kept; the latter by the database when not set"
  ),
  serviceName: setting("OTEL_SERVICE_NAME", Kind.words, undefined, "replaces the program's own name"),
  resourceAttributes: setting(
    "OTEL_RESOURCE_ATTRIBUTES",
    Kind.pattern(/^[^=,]+=[^=,]*(,[^=,]+=[^=,]*)*$/, "key=value,key=value"),
    "",
    "further resource attributes"
  ),
  spanQueueMax: setting("OTEL_BSP_MAX_QUEUE_SIZE", Kind.integer(1, 1_000_000), 4_096, "spans waiting for export"),
  spanBatchMax: setting("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", Kind.integer(1, 100_000), 512, "most spans per export"),
  spanDelayMs: setting("OTEL_BSP_SCHEDULE_DELAY", Kind.integer(1, 600_000), 1_000, "milliseconds between exports"),
  exportTimeoutMs: setting("OTEL_BSP_EXPORT_TIMEOUT", Kind.integer(1, 600_000), 5_000, "milliseconds per export"),
  logFormat: setting("WORDLOOM_LOG_FORMAT", Kind.oneOf("pretty", "json"), undefined, "pretty on a terminal, else json"),
  logJsonLines: setting(
    "DYN_LOGGING_JSONL",
    Kind.flag,
    false,
    "1 is WORDLOOM_LOG_FORMAT=json, and WORDLOOM_TRACING=local unless something else is said of traces"
  ),
  logLevel: setting(
    "WORDLOOM_LOG_LEVEL",
    Kind.oneOf("debug", "info", "warn", "error"),
    "info",
    "the least level shown"
  ),
  projections: setting(
    "OUTBOX_PROJECTIONS",
    Kind.someOf("search", "chronicle", "realtime"),
    ["search", "chronicle"],
    "which outboxes this worker drains; realtime is drained by logic, and by a worker that has it here and a NATS_URL"
  ),
  workerId: setting(
    "OUTBOX_WORKER_ID",
    Kind.pattern(/^[\w.:@-]{1,128}$/, "letters, digits, . _ : @ -"),
    undefined,
    "the lease owner; host, process id and a random part when not set"
  ),
  workerMetricsPort: setting("OUTBOX_METRICS_PORT", Kind.port, 9_109, "the worker's /metrics"),
  workerHttpPort: setting("OUTBOX_HTTP_PORT", Kind.port, 9_111, "the worker's /health"),
  batchSize: setting("OUTBOX_BATCH_SIZE", Kind.integer(1, 5_000), 500, "rows per claim"),
  concurrency: setting("OUTBOX_CONCURRENCY", Kind.integer(1, 64), 2, "batches in flight per projection"),
  pollInterval: setting("OUTBOX_POLL_INTERVAL", Kind.duration(10, hour), Duration.seconds(1), "longest idle wait"),
  lease: setting(
    "OUTBOX_LEASE",
    Kind.duration(1_000, hour),
    Duration.seconds(30),
    "how long a claim holds a row; lengthened every third of it"
  ),
  attemptsMax: setting("OUTBOX_MAX_ATTEMPTS", Kind.integer(1, 1_000), 10, "attempts before a row is dead"),
  backoffBase: setting(
    "OUTBOX_BACKOFF_BASE",
    Kind.duration(1, hour),
    Duration.millis(500),
    "wait after the first failure"
  ),
  backoffCap: setting("OUTBOX_BACKOFF_CAP", Kind.duration(1, 24 * hour), Duration.seconds(60), "longest wait"),
  retention: setting(
    "OUTBOX_RETENTION",
    Kind.duration(60_000, 365 * 24 * hour),
    Duration.hours(24),
    "how long done rows stay readable"
  ),
  realtimeRetention: setting(
    "REALTIME_RETENTION",
    Kind.duration(60_000, 10 * 365 * 24 * hour),
    Duration.days(30),
    "how long what was said in a session is kept; not shorter than OUTBOX_RETENTION"
  ),
  reconcileEvery: setting(
    "WORDLOOM_RECONCILE_EVERY",
    Kind.duration(0, 30 * 24 * hour),
    Duration.hours(24),
    "how often one of the workers compares the search index with the entities; 0: never"
  ),
  reconcileRepair: setting(
    "WORDLOOM_RECONCILE_REPAIR",
    Kind.flag,
    false,
    "what it finds is sent to the index again, through the outbox"
  ),
  shutdownGrace: setting(
    "WORDLOOM_SHUTDOWN_GRACE",
    Kind.duration(0, hour),
    Duration.seconds(25),
    "how long a stopping program waits for what is in flight"
  ),
  healthTimeout: setting(
    "HEALTH_CHECK_DB_TIMEOUT",
    Kind.duration(1, 60_000),
    Duration.seconds(5),
    "the database check of /health/ready"
  ),
  requestPlane: setting(
    "WORDLOOM_REQUEST_PLANE",
    Kind.oneOf("inproc", "http", "nats", "tcp"),
    "inproc",
    "where the stages of a search are served: in the API, or by query processes over that wire"
  ),
  queryPort: setting("WORDLOOM_QUERY_PORT", Kind.port, 8_110, "where a query process serves stages"),
  queryHttpPort: setting("WORDLOOM_QUERY_HTTP_PORT", Kind.port, 8_111, "a query process's /health and /metrics"),
  recallAddress: setting(
    "WORDLOOM_QUERY_RECALL",
    Kind.address,
    { host: "127.0.0.1", port: 8_110 },
    "the query process that the API asks to recall"
  ),
  hydrateAddress: setting(
    "WORDLOOM_QUERY_HYDRATE",
    Kind.address,
    { host: "127.0.0.1", port: 8_110 },
    "the query process that the API asks to hydrate"
  ),
  metricsEnabled: setting("METRICS_ENABLED", Kind.flag, true, "false: /metrics answers 404"),
  metricsPrefix: setting(
    "WORDLOOM_METRICS_PREFIX",
    Kind.pattern(/^[a-z][a-z0-9_]{0,31}$/, "lower-case letters, digits, _"),
    "wordloom",
    "the first part of every metric's name"
  ),
  natsUrl: setting(
    "NATS_URL",
    Kind.natsUrl,
    undefined,
    "the message bus of the realtime chain; without it the chain runs within one process"
  ),
  natsPrefix: setting(
    "WORDLOOM_NATS_PREFIX",
    Kind.pattern(/^[a-z][a-z0-9_-]{0,31}$/, "lower-case letters, digits, '-', '_'"),
    "wordloom",
    "what subjects and streams in NATS begin with: installations that share a NATS have one each"
  ),
  grpcHost: setting("WORDLOOM_GRPC_HOST", Kind.words, "127.0.0.1", "the address that logic listens on, or is asked at"),
  grpcPort: setting("WORDLOOM_GRPC_PORT", Kind.port, 50_051, "logic's port"),
  wsPort: setting("WORDLOOM_WS_PORT", Kind.port, 8_090, "the gateway's port; it listens on WORDLOOM_HTTP_HOST"),
  pushHost: setting(
    "WORDLOOM_PUSH_HOST",
    Kind.words,
    "127.0.0.1",
    "the address that the gateway takes pushes on, and at which task finds it"
  ),
  pushPort: setting("WORDLOOM_PUSH_PORT", Kind.port, 0, "the gateway's port for pushes; 0: any that is free"),
  gatewayHttpPort: setting("WORDLOOM_GATEWAY_HTTP_PORT", Kind.port, 8_091, "a gateway's /health and /metrics"),
  logicHttpPort: setting("WORDLOOM_LOGIC_HTTP_PORT", Kind.port, 8_092, "logic's /health and /metrics"),
  taskHttpPort: setting("WORDLOOM_TASK_HTTP_PORT", Kind.port, 8_093, "a task's /health and /metrics"),
  metricsPort: setting("WORDLOOM_METRICS_PORT", Kind.port, undefined, "the API's port when not set")
} as const
