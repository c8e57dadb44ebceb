/** OTLP's JSON as Tempo answers it: ids in base64 or hex, times in nanoseconds as text, kinds and status as words. */
import { Schema } from "effect"
import type { SpanKind, SpanRef, Trace, TraceSpan } from "../../src/trace/Trace.ts"

const Value = Schema.Struct({
  stringValue: Schema.optionalKey(Schema.String),
  boolValue: Schema.optionalKey(Schema.Boolean),
  intValue: Schema.optionalKey(Schema.Union([Schema.String, Schema.Number])),
  doubleValue: Schema.optionalKey(Schema.Number)
})
const Pair = Schema.Struct({ key: Schema.String, value: Value })
const Nanos = Schema.Union([Schema.String, Schema.Number])

const Span = Schema.Struct({
  traceId: Schema.String,
  spanId: Schema.String,
  parentSpanId: Schema.optionalKey(Schema.String),
  name: Schema.String,
  kind: Schema.optionalKey(Schema.Union([Schema.String, Schema.Number])),
  startTimeUnixNano: Nanos,
  endTimeUnixNano: Nanos,
  attributes: Schema.optionalKey(Schema.Array(Pair)),
  links: Schema.optionalKey(Schema.Array(Schema.Struct({ traceId: Schema.String, spanId: Schema.String }))),
  status: Schema.optionalKey(
    Schema.Struct({
      code: Schema.optionalKey(Schema.Union([Schema.String, Schema.Number])),
      message: Schema.optionalKey(Schema.String)
    })
  )
})

const ResourceSpans = Schema.Struct({
  resource: Schema.optionalKey(Schema.Struct({ attributes: Schema.optionalKey(Schema.Array(Pair)) })),
  scopeSpans: Schema.Array(Schema.Struct({ spans: Schema.Array(Span) }))
})

const Resources = Schema.Array(ResourceSpans)

/** `/api/traces/{id}` says `batches`, the specification `resourceSpans`, `/api/v2/traces/{id}` puts it in `trace`. */
export const Answer = Schema.Struct({
  batches: Schema.optionalKey(Resources),
  resourceSpans: Schema.optionalKey(Resources),
  trace: Schema.optionalKey(Schema.Struct({ resourceSpans: Schema.optionalKey(Resources) }))
})

const kinds: ReadonlyArray<SpanKind> = ["internal", "internal", "server", "client", "producer", "consumer"]
const kindOf = (kind: string | number | undefined): SpanKind =>
  typeof kind === "number"
    ? kinds[kind] ?? "internal"
    : kinds.find((name) => kind === `SPAN_KIND_${name.toUpperCase()}`) ?? "internal"

/** Hex has 16 or 32 digits; the base64 of as many bytes has 12 or 24 characters. */
const hexOf = (id: string) => /^([0-9a-f]{16}){1,2}$/.test(id) ? id : Buffer.from(id, "base64").toString("hex")

const valueOf = ({ boolValue, doubleValue, intValue, stringValue }: typeof Value.Type) =>
  stringValue ?? boolValue ?? doubleValue ?? (intValue === undefined ? "" : Number(intValue))

const attributesOf = (pairs: ReadonlyArray<typeof Pair.Type> = []) =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, valueOf(value)]))

const refOf = ({ spanId, traceId }: SpanRef): SpanRef => ({ traceId: hexOf(traceId), spanId: hexOf(spanId) })

const spanOf = (span: typeof Span.Type, service: string): TraceSpan => ({
  ...refOf(span),
  parentId: (span.parentSpanId ?? "") === "" ? undefined : hexOf(span.parentSpanId ?? ""),
  name: span.name,
  service,
  kind: kindOf(span.kind),
  start: BigInt(span.startTimeUnixNano),
  end: BigInt(span.endTimeUnixNano),
  failed: span.status?.code === "STATUS_CODE_ERROR" || span.status?.code === 2,
  message: span.status?.message ?? "",
  attributes: attributesOf(span.attributes),
  links: (span.links ?? []).map(refOf)
})

export const traceOf = (id: string, answer: typeof Answer.Type): Trace => {
  const resources = answer.batches ?? answer.resourceSpans ?? answer.trace?.resourceSpans ?? []
  return {
    id,
    spans: resources.flatMap(({ resource, scopeSpans }) => {
      const service = String(attributesOf(resource?.attributes)["service.name"] ?? "")
      return scopeSpans.flatMap(({ spans }) => spans.map((span) => spanOf(span, service)))
    })
  }
}
