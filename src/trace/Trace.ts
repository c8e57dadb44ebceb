/** A trace as a trace store gives it back: its spans in the product's terms, and who stands below whom. */

export type SpanKind = "internal" | "server" | "client" | "producer" | "consumer"

export interface SpanRef {
  readonly traceId: string
  readonly spanId: string
}

export interface TraceSpan extends SpanRef {
  readonly parentId: string | undefined
  readonly name: string
  readonly service: string
  readonly kind: SpanKind
  /** Nanoseconds since 1970; a store may keep microseconds only. */
  readonly start: bigint
  readonly end: bigint
  readonly failed: boolean
  /** Of the status; empty where there is none. */
  readonly message: string
  readonly attributes: Readonly<Record<string, string | number | boolean>>
  readonly links: ReadonlyArray<SpanRef>
}

export interface Trace {
  readonly id: string
  readonly spans: ReadonlyArray<TraceSpan>
}

/** Parents before their children, siblings as they began. */
export interface Placed {
  readonly span: TraceSpan
  readonly depth: number
}

export interface Tree extends Trace {
  readonly parentOf: (span: TraceSpan) => TraceSpan | undefined
  readonly childrenOf: (span: TraceSpan) => ReadonlyArray<TraceSpan>
  readonly named: (name: string) => ReadonlyArray<TraceSpan>
  /** They name no parent, or one that is not here. */
  readonly tops: ReadonlyArray<TraceSpan>
  readonly placed: ReadonlyArray<Placed>
}

const asTheyBegan = (a: TraceSpan, b: TraceSpan) =>
  a.start < b.start ? -1 : a.start > b.start ? 1 : a.end < b.end ? -1 : a.end > b.end ? 1 : 0

const grouped = (spans: ReadonlyArray<TraceSpan>, key: (span: TraceSpan) => string) => {
  const groups = new Map<string, Array<TraceSpan>>()
  for (const span of spans) {
    const group = groups.get(key(span))
    if (group === undefined) groups.set(key(span), [span])
    else group.push(span)
  }
  return groups
}

/** Spans that are each other's ancestors hang below nothing: they are placed nowhere, and told as orphans. */
export const treeOf = (trace: Trace): Tree => {
  const spans = trace.spans.toSorted(asTheyBegan)
  const byId = new Map(spans.map((span) => [span.spanId, span]))
  const children = grouped(spans, ({ parentId }) => parentId ?? "")
  const names = grouped(spans, ({ name }) => name)
  const tops = spans.filter(({ parentId }) => parentId === undefined || !byId.has(parentId))
  const childrenOf = ({ spanId }: TraceSpan) => children.get(spanId) ?? []
  const placed: Array<Placed> = []
  const seen = new Set<TraceSpan>()
  const left = tops.map((span) => ({ span, depth: 0 })).toReversed()
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { depth, span } = next
    if (seen.has(span)) continue
    seen.add(span)
    placed.push(next)
    left.push(...childrenOf(span).map((child) => ({ span: child, depth: depth + 1 })).toReversed())
  }
  return {
    id: trace.id,
    spans,
    parentOf: ({ parentId }) => parentId === undefined ? undefined : byId.get(parentId),
    childrenOf,
    named: (name) => names.get(name) ?? [],
    tops,
    placed
  }
}

export const text = (span: TraceSpan, key: string): string => String(span.attributes[key] ?? "")

/** `undefined` for what is no number; Tempo and Jaeger keep integers as numbers or as text. */
export const number = (span: TraceSpan, key: string): number | undefined => {
  const value = span.attributes[key]
  const read = typeof value === "number"
    ? value
    : typeof value === "string" && value !== ""
    ? Number(value)
    : Number.NaN
  return Number.isFinite(read) ? read : undefined
}

export const milliseconds = (nanos: bigint): number => Number(nanos / 1_000n) / 1_000
