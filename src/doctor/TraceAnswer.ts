/** A trace as its backends answer it: Jaeger's JSON, or OTLP's as Tempo has it; no IO. */
import { Schema } from "effect"
import type { SpanFacts } from "./SystemFacts.ts"

const JaegerAnswer = Schema.Struct({
  data: Schema.Array(Schema.Struct({
    spans: Schema.Array(Schema.Struct({
      spanID: Schema.String,
      operationName: Schema.String,
      processID: Schema.String,
      references: Schema.optionalKey(
        Schema.NullOr(Schema.Array(Schema.Struct({ refType: Schema.String, spanID: Schema.String })))
      )
    })),
    processes: Schema.Record(Schema.String, Schema.Struct({ serviceName: Schema.String }))
  }))
})

const OtlpAnswer = Schema.Struct({
  batches: Schema.Array(Schema.Struct({
    resource: Schema.Struct({
      attributes: Schema.Array(Schema.Struct({ key: Schema.String, value: Schema.Unknown }))
    }),
    scopeSpans: Schema.Array(Schema.Struct({
      spans: Schema.Array(Schema.Struct({
        spanId: Schema.String,
        name: Schema.String,
        parentSpanId: Schema.optionalKey(Schema.String)
      }))
    }))
  }))
})

const isJaeger = Schema.is(JaegerAnswer)
const isOtlp = Schema.is(OtlpAnswer)

const serviceOf = (value: unknown): string =>
  typeof value === "object" && value !== null && "stringValue" in value ? String(value.stringValue) : "unknown"

const parsed = (body: string): unknown => {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

/** `undefined` when it is no trace. */
export const spansOf = (body: string): ReadonlyArray<SpanFacts> | undefined => {
  const value = parsed(body)
  const spans = isJaeger(value)
    ? value.data.flatMap(({ processes, spans }) =>
      spans.map(({ operationName, processID, references, spanID }) => ({
        id: spanID,
        parent: references?.find(({ refType }) => refType === "CHILD_OF")?.spanID ?? null,
        name: operationName,
        service: processes[processID]?.serviceName ?? "unknown"
      }))
    )
    : isOtlp(value)
    ? value.batches.flatMap(({ resource, scopeSpans }) => {
      const service = serviceOf(resource.attributes.find(({ key }) => key === "service.name")?.value)
      return scopeSpans.flatMap(({ spans }) =>
        spans.map(({ name, parentSpanId, spanId }) => ({ id: spanId, parent: parentSpanId || null, name, service }))
      )
    })
    : []
  return spans.length === 0 ? undefined : spans
}

/** A span of its own, as OTLP/HTTP takes it. */
export const probeOf = (traceId: string, nowMs: number) => ({
  resourceSpans: [{
    resource: { attributes: [{ key: "service.name", value: { stringValue: "wordloom-doctor" } }] },
    scopeSpans: [{
      scope: { name: "wordloom.doctor" },
      spans: [{
        traceId,
        spanId: traceId.slice(16),
        name: "doctor.probe",
        kind: 1,
        startTimeUnixNano: `${nowMs}000000`,
        endTimeUnixNano: `${nowMs + 1}000000`
      }]
    }]
  }]
})
