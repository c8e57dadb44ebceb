/** The span tree of contract §5 as data: what each span is, where it stands and what it carries. */
import type { SpanKind } from "./Trace.ts"

export interface SpanRule {
  readonly kind: SpanKind
  /** Names of the spans it may stand below; `root`: nothing, `request`: the span that the trace begins with. */
  readonly under: ReadonlyArray<string>
  readonly half: "request" | "worker"
  readonly carries: ReadonlyArray<string>
}

export const engines = {
  search: ["es.bulk", "search.upsert"],
  chronicle: ["chronicle.append"],
  realtime: ["logic.mq.publish"]
} as const satisfies Readonly<Record<string, ReadonlyArray<string>>>

export type ProjectionName = keyof typeof engines

export const isProjection = (name: string): name is ProjectionName => Object.hasOwn(engines, name)

/** A batch calls its engine below `projection.process_batch`, and tells each row so below its `outbox.process`. */
const engineRule: SpanRule = {
  kind: "client",
  under: ["outbox.process", "projection.process_batch"],
  half: "worker",
  carries: []
}

const worker = (kind: SpanKind, under: string, ...carries: ReadonlyArray<string>): SpanRule => ({
  kind,
  under: [under],
  half: "worker",
  carries: ["projection", ...carries]
})

const processCarries = [
  "attempt",
  "batch_size",
  "result",
  "outcome",
  "reclaimed",
  "ack_rows",
  "event_id"
]

export const rules: Readonly<Record<string, SpanRule>> = {
  "db.tx": { kind: "internal", under: ["request"], half: "request", carries: [] },
  "outbox.enqueue": { kind: "producer", under: ["request"], half: "request", carries: ["projection"] },
  "outbox.wait": worker("internal", "outbox.enqueue", "reason"),
  "outbox.process": worker("consumer", "outbox.enqueue", ...processCarries),
  "outbox.claim": worker("internal", "outbox.process"),
  "outbox.classify_error": worker("internal", "outbox.process", "decision", "error_type"),
  "outbox.ack": worker("internal", "outbox.process", "rows"),
  "outbox.attempt_lost": worker("internal", "outbox.enqueue", "attempt"),
  "outbox.dead_letter": worker("internal", "outbox.enqueue"),
  "outbox_worker.loop": worker("internal", "root"),
  "outbox.claim_batch": worker("client", "outbox_worker.loop", "batch_size", "reclaimed"),
  "projection.process_batch": worker("internal", "outbox_worker.loop", "batch_size", "ok", "failed"),
  "outbox.ack_batch": worker("client", "projection.process_batch", "expected", "acked"),
  ...Object.fromEntries(Object.values(engines).flat().map((name) => [name, engineRule]))
}

/** Statements stand below their transaction, or below whatever asks without one. */
export const isStatement = (name: string) => /^db\.(create|query|update|delete)$/.test(name)

/** What may begin a trace that leaves rows, beside a request: bulk import, a new name on its way, a repair. */
export const writers = ["import.batch", "outbox.fan_out", "reconcile.repair", "gateway.ws.on_message"] as const

export const loop = "outbox_worker.loop"

/** The default of `programs/worker.js`; `OTEL_SERVICE_NAME` replaces it. */
export const workerService = (projection: string) => `wordloom-${projection}-outbox-worker`

export const values: Readonly<Record<string, ReadonlyArray<string>>> = {
  projection: Object.keys(engines),
  reason: ["queue", "backoff"],
  result: ["ok", "failed"],
  outcome: ["acked", "superseded", "retry_scheduled", "dead_lettered", "lease_lost", "released"],
  decision: ["retry", "dead"]
}
