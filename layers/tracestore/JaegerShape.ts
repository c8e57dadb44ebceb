/** Jaeger's own JSON (`/api/traces`) as traces: tags hold kind and status, references the parent and the links. */
import { Schema } from "effect"
import type { SpanKind, Trace, TraceSpan } from "../../src/trace/Trace.ts"

const Tag = Schema.Struct({
  key: Schema.String,
  value: Schema.Union([Schema.String, Schema.Number, Schema.Boolean])
})

const Span = Schema.Struct({
  traceID: Schema.String,
  spanID: Schema.String,
  operationName: Schema.String,
  references: Schema.Array(Schema.Struct({ refType: Schema.String, traceID: Schema.String, spanID: Schema.String })),
  /** Microseconds since 1970. */
  startTime: Schema.Number,
  duration: Schema.Number,
  tags: Schema.Array(Tag),
  processID: Schema.String
})

const JaegerTrace = Schema.Struct({
  traceID: Schema.String,
  spans: Schema.Array(Span),
  processes: Schema.Record(Schema.String, Schema.Struct({ serviceName: Schema.String }))
})

export const Answer = Schema.Struct({ data: Schema.NullOr(Schema.Array(JaegerTrace)) })

type JaegerSpan = typeof Span.Type

const kinds: ReadonlySet<string> = new Set(["internal", "server", "client", "producer", "consumer"])
const kindOf = (value: unknown): SpanKind => kinds.has(String(value)) ? value as SpanKind : "internal"

/** What is not the span's own attribute but its kind, its status or the library that made it. */
const notOurs = new Set([
  "span.kind",
  "error",
  "otel.status_code",
  "otel.status_description",
  "otel.scope.name",
  "otel.scope.version",
  "w3c.tracestate"
])

const spanOf = (span: JaegerSpan, service: string): TraceSpan => {
  const tags = Object.fromEntries(span.tags.map(({ key, value }) => [key, value]))
  const parent = span.references.find(({ refType, traceID }) => refType === "CHILD_OF" && traceID === span.traceID)
  const start = BigInt(Math.round(span.startTime)) * 1_000n
  return {
    traceId: span.traceID,
    spanId: span.spanID,
    parentId: parent?.spanID,
    name: span.operationName,
    service,
    kind: kindOf(tags["span.kind"]),
    start,
    end: start + BigInt(Math.round(span.duration)) * 1_000n,
    failed: tags["error"] === true || tags["otel.status_code"] === "ERROR",
    message: String(tags["otel.status_description"] ?? ""),
    attributes: Object.fromEntries(Object.entries(tags).filter(([key]) => !notOurs.has(key))),
    links: span.references.filter((reference) => reference !== parent).map(({ spanID, traceID }) => ({
      traceId: traceID,
      spanId: spanID
    }))
  }
}

export const traceOf = ({ processes, spans, traceID }: typeof JaegerTrace.Type): Trace => ({
  id: traceID,
  spans: spans.map((span) => spanOf(span, processes[span.processID]?.serviceName ?? ""))
})
