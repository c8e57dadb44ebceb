/** A finished span as OpenTelemetry's own exporters read one. */
import { type HrTime, type SpanContext, SpanStatusCode } from "@opentelemetry/api"
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base"
import type { FinishedSpan } from "../../layers/telemetry/FinishedSpan.ts"

const billion = 1_000_000_000n

const hrTime = (nanos: bigint): HrTime => [Number(nanos / billion), Number(nanos % billion)]

export const readable = ({ by, parts, trace }: FinishedSpan): ReadableSpan => {
  const { begun, ended, error, events = [], isRemote, links = [], parentId, spanId } = parts
  const { traceFlags, traceId, traceState } = trace
  const context: SpanContext = { traceId, spanId, traceFlags, ...(traceState === undefined ? {} : { traceState }) }
  return {
    name: parts.name,
    kind: parts.kind,
    attributes: parts.attributes,
    resource: by.resource,
    instrumentationScope: by.scope,
    spanContext: () => context,
    ...(parentId === undefined ? {} : { parentSpanContext: { traceId, spanId: parentId, traceFlags, isRemote } }),
    status: error === undefined ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: error },
    startTime: hrTime(begun),
    endTime: hrTime(ended),
    duration: hrTime(ended - begun),
    ended: true,
    links: [...links],
    events: events.map(({ attributes, name, nanos }) => ({ name, attributes, time: hrTime(nanos) })),
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0
  }
}
