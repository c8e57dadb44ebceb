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

const JaegerList = Schema.Struct({ data: Schema.NullOr(Schema.Array(Schema.Struct({ traceID: Schema.String }))) })
const TempoList = Schema.Struct({ traces: Schema.Array(Schema.Struct({ traceID: Schema.String })) })

const isJaeger = Schema.is(JaegerAnswer)
const isJaegerList = Schema.is(JaegerList)
const isTempoList = Schema.is(TempoList)
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

/** The ids in a list of traces; `undefined` when it is none. Tempo leaves out the zeros that an id begins with. */
export const idsOf = (body: string): ReadonlyArray<string> | undefined => {
  const value = parsed(body)
  return isJaegerList(value)
    ? (value.data ?? []).map(({ traceID }) => traceID)
    : isTempoList(value)
    ? value.traces.map(({ traceID }) => traceID.padStart(32, "0"))
    : undefined
}

/** How Jaeger and Tempo are asked for the newest traces of a service, with an operation or with any. */
export const listsOf = (wanted: {
  readonly service: string
  readonly operation: string | null
  readonly limit: number
  readonly from: number
  readonly to: number
}): ReadonlyArray<string> => {
  const { from, limit, operation, service, to } = wanted
  const jaeger = new URLSearchParams({
    service,
    ...(operation === null ? {} : { operation }),
    start: String(from * 1_000),
    end: String(to * 1_000),
    limit: String(limit)
  })
  const named = operation === null ? "" : ` && name = "${operation}"`
  const tempo = new URLSearchParams({
    q: `{ resource.service.name = "${service}"${named} }`,
    start: String(Math.floor(from / 1_000)),
    end: String(Math.ceil(to / 1_000)),
    limit: String(limit)
  })
  return [`traces?${jaeger.toString()}`, `search?${tempo.toString()}`]
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
