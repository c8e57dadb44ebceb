/** A finished span as plain, compact values: it can wait as text for its trace's fate, and become a span for export. */
import * as Otel from "@opentelemetry/api"
import type { Resource } from "@opentelemetry/resources"
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base"
import { keptAnyway } from "../../src/telemetry/Baseline.ts"
import { TraceStateText } from "./TraceStateText.ts"

/** The names are short because there are many of them; what a span does not have is left out. */
export interface SpanRecord {
  /** Name, kind, id and flags. */
  readonly n: string
  readonly k: Otel.SpanKind
  readonly s: string
  readonly f: number
  /** The parent's id, and whether that is another process's. */
  readonly p?: string | undefined
  readonly r?: true | undefined
  /** When it began, in nanoseconds since 1970, and how many it lasted. */
  readonly b: string
  readonly d: number
  readonly a: Otel.Attributes
  /** The message of an error. */
  readonly x?: string | undefined
  readonly l?:
    | ReadonlyArray<{ readonly t: string; readonly s: string; readonly f: number; readonly a: Otel.Attributes }>
    | undefined
  readonly e?:
    | ReadonlyArray<{ readonly n: string; readonly b: string; readonly a: Otel.Attributes }>
    | undefined
}

/** Of which trace, and of whom. */
export interface RecordedBy {
  readonly resource: Resource
  readonly scope: string
}

export interface RecordedTrace {
  readonly traceId: string
  readonly tracestate: string | null
}

const billion = 1_000_000_000n

export const hrTime = (nanos: bigint): Otel.HrTime => [Number(nanos / billion), Number(nanos % billion)]

const errorOf = ({ x }: SpanRecord): Otel.SpanStatus =>
  x === undefined ? { code: Otel.SpanStatusCode.UNSET } : { code: Otel.SpanStatusCode.ERROR, message: x }

/** For export as the span of a trace that is kept though it was not sampled. */
export const toReadable = (
  record: SpanRecord,
  { traceId, tracestate }: RecordedTrace,
  { resource, scope }: RecordedBy
): ReadableSpan => {
  const begun = BigInt(record.b)
  const traceFlags = record.f | Otel.TraceFlags.SAMPLED
  const context: Otel.SpanContext = {
    traceId,
    spanId: record.s,
    traceFlags,
    traceState: new TraceStateText(keptAnyway(tracestate))
  }
  return {
    name: record.n,
    kind: record.k,
    spanContext: () => context,
    ...(record.p === undefined
      ? {}
      : { parentSpanContext: { traceId, spanId: record.p, traceFlags, isRemote: record.r === true } }),
    startTime: hrTime(begun),
    endTime: hrTime(begun + BigInt(record.d)),
    duration: hrTime(BigInt(record.d)),
    status: errorOf(record),
    attributes: record.a,
    links: (record.l ?? []).map(({ a, f, s, t }) => ({
      context: { traceId: t, spanId: s, traceFlags: f },
      attributes: a
    })),
    events: (record.e ?? []).map(({ a, b, n }) => ({ name: n, time: hrTime(BigInt(b)), attributes: a })),
    ended: true,
    resource,
    instrumentationScope: { name: scope },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0
  }
}
