/** The tree of a trace out of its log lines alone, with its gaps, and where it worked and where it waited. Pure. */
import type { LogSpan, LogTrace } from "./LogBook.ts"

export type Row =
  | { readonly _tag: "Span"; readonly depth: number; readonly span: LogSpan }
  /** A parent that no line tells of: a caller's span, or one that writes none. */
  | { readonly _tag: "Gap"; readonly depth: number; readonly spanId: string }

export type Verdict = "waiting" | "working"

export const verdicts: Readonly<Record<Verdict, string>> = {
  waiting: "mostly waiting: network, queue or lock",
  working: "mostly working"
}

/** Half of the time decides; `undefined` for a span that does not tell busy from idle. */
export const verdictOf = ({ busyNs, idleNs }: LogSpan): Verdict | undefined =>
  busyNs === undefined || idleNs === undefined || busyNs + idleNs === 0
    ? undefined
    : idleNs >= busyNs
    ? "waiting"
    : "working"

interface Top {
  readonly row: Row
  readonly start: number
  readonly below: ReadonlyArray<LogSpan>
}

const startOf = ({ start }: LogSpan) => start ?? 0
const asTheyBegan = (a: LogSpan, b: LogSpan) => startOf(a) - startOf(b)

const childrenIn = ({ spans }: LogTrace) => {
  const children = new Map<string, Array<LogSpan>>()
  for (const span of [...spans.values()].toSorted(asTheyBegan)) {
    if (span.parentId === undefined) continue
    const siblings = children.get(span.parentId)
    if (siblings === undefined) children.set(span.parentId, [span])
    else siblings.push(span)
  }
  return children
}

/** Parents before their children, siblings as they began; whoever is its own ancestor stands at the end. */
export const rowsOf = (trace: LogTrace): ReadonlyArray<Row> => {
  const children = childrenIn(trace)
  const below = (id: string) => children.get(id) ?? []
  const roots = [...trace.spans.values()].filter(({ parentId }) => parentId === undefined)
  const gaps = [...children.keys()].filter((id) => !trace.spans.has(id))
  const tops: ReadonlyArray<Top> = [
    ...roots.map((span): Top => ({
      row: { _tag: "Span", depth: 0, span },
      start: startOf(span),
      below: below(span.spanId)
    })),
    ...gaps.map((spanId): Top => ({
      row: { _tag: "Gap", depth: 0, spanId },
      start: startOf(below(spanId)[0]!),
      below: below(spanId)
    }))
  ].toSorted((a, b) => a.start - b.start)
  const rows: Array<Row> = []
  const placed = new Set<string>()
  const place = (first: ReadonlyArray<LogSpan>, from: number) => {
    const left = first.map((span) => ({ span, depth: from })).toReversed()
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const { depth, span } = next
      if (placed.has(span.spanId)) continue
      placed.add(span.spanId)
      rows.push({ _tag: "Span", depth, span })
      left.push(...below(span.spanId).map((child) => ({ span: child, depth: depth + 1 })).toReversed())
    }
  }
  for (const { below: first, row } of tops) {
    rows.push(row)
    if (row._tag === "Span") placed.add(row.span.spanId)
    place(first, 1)
  }
  for (const span of [...trace.spans.values()].toSorted(asTheyBegan)) place([span], 0)
  return rows
}

const millis = (nanos: number) => `${(nanos / 1e6).toFixed(1)} ms`
const named = ({ name, service }: LogSpan) => `${name} (${service})`

/** Nanoseconds of waiting that no span right below accounts for; what ran side by side counts once at most. */
const unexplained = (span: LogSpan, below: ReadonlyArray<LogSpan>) => {
  const explained = below.reduce((sum, { durationMs }) => sum + (durationMs ?? 0), 0) * 1e6
  return Math.max(0, (span.idleNs ?? 0) - explained)
}

const noneTells =
  "no line tells busy from idle: http-request and handle_payload do, where query processes serve searches"

/** Where the time went: of the longest span that tells, and where the wait was that nothing below explains. */
export const sentenceOf = (trace: LogTrace): string => {
  const telling = [...trace.spans.values()].filter((span) => verdictOf(span) !== undefined)
  const total = ({ busyNs = 0, idleNs = 0 }: LogSpan) => busyNs + idleNs
  const [longest] = telling.toSorted((a, b) => total(b) - total(a))
  if (longest === undefined) return noneTells
  const { idleNs = 0 } = longest
  const share = Math.round(100 * idleNs / total(longest))
  const first = `${named(longest)} waited ${millis(idleNs)} of its ${millis(total(longest))} (${share} %): ` +
    verdicts[verdictOf(longest)!]
  const children = childrenIn(trace)
  const [most] = telling
    .map((span) => ({ span, nanos: unexplained(span, children.get(span.spanId) ?? []) }))
    .toSorted((a, b) => b.nanos - a.nanos)
  return most === undefined || most.span === longest || most.nanos === 0
    ? first
    : `${first}; most of that in ${named(most.span)}, ${millis(most.nanos)}`
}
