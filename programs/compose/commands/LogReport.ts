/** What `wordloom trace from-logs` found, for people and for programs. */
import { DateTime } from "effect"
import type { Asked, Counts, LogTrace } from "../../../src/trace/LogBook.ts"
import { type Row, rowsOf, sentenceOf, verdictOf, verdicts } from "../../../src/trace/LogTree.ts"
import * as Output from "./Output.ts"

/** More is no list that anybody reads. */
const tracesMax = 20

const iso = (at: number | undefined) => at === undefined ? null : DateTime.formatIso(DateTime.makeUnsafe(at))

const lastsMs = ({ first, last }: LogTrace) => first === undefined || last === undefined ? undefined : last - first

const servicesOf = ({ spans }: LogTrace) => [...new Set([...spans.values()].map(({ service }) => service))].toSorted()

/** What the trace begins with, as far as lines tell. */
const beginningOf = (trace: LogTrace) => {
  const row = rowsOf(trace).find(({ _tag }) => _tag === "Span")
  return row?._tag === "Span" ? row.span.name : ""
}

const ms = (value: number | undefined) => value === undefined ? "" : value.toFixed(1)
const nanos = (value: number | undefined) => value === undefined ? "" : (value / 1e6).toFixed(1)

const verdictText = (row: Row) => {
  const verdict = row._tag === "Span" ? verdictOf(row.span) : undefined
  return verdict === undefined ? "" : verdicts[verdict]
}

const spanText = (row: Row) => {
  const indent = "  ".repeat(row.depth)
  if (row._tag === "Gap") return `${indent}… ${row.spanId}: no line tells of it`
  return `${indent}${row.span.name}${row.span.error === undefined ? "" : ` [${row.span.error}]`}`
}

const columns: ReadonlyArray<Output.Column<Row>> = [
  {
    title: "SPAN",
    text: spanText,
    color: (row) => row._tag === "Gap" ? Output.dim : row.span.error === undefined ? (text) => text : Output.red
  },
  { title: "SERVICE", text: (row) => row._tag === "Gap" ? "" : row.span.service, color: () => Output.dim },
  { title: "MS", align: "right", text: (row) => row._tag === "Gap" ? "" : ms(row.span.durationMs) },
  { title: "BUSY", align: "right", text: (row) => row._tag === "Gap" ? "" : nanos(row.span.busyNs) },
  { title: "IDLE", align: "right", text: (row) => row._tag === "Gap" ? "" : nanos(row.span.idleNs) },
  { title: "", text: verdictText, color: () => Output.yellow }
]

const listed: ReadonlyArray<Output.Column<LogTrace>> = [
  { title: "TRACE", text: ({ id }) => id },
  { title: "BEGAN", text: ({ first }) => iso(first) ?? "" },
  { title: "MS", align: "right", text: (trace) => ms(lastsMs(trace)) },
  { title: "SPANS", align: "right", text: ({ spans }) => String(spans.size) },
  { title: "SERVICES", text: (trace) => servicesOf(trace).join(" ") },
  { title: "REQUEST", text: ({ requestIds }) => [...requestIds].join(" ") },
  { title: "BEGINS WITH", text: beginningOf }
]

const counted = (count: number, what: string) => count === 0 ? [] : [`${count} ${what}`]

/** What was read beside the traces that are shown. */
const asideOf = ({ forgotten, lines, noJson, noTrace }: Counts) =>
  Output.dim(
    [
      `${lines} lines read`,
      ...counted(noJson, "no JSON"),
      ...counted(noTrace, "without a trace"),
      ...counted(forgotten, "older traces let go, for want of room")
    ].join(", ")
  )

const treeText = (trace: LogTrace) =>
  [
    `${Output.bold(`trace ${trace.id}`)}  ${iso(trace.first) ?? "at no time"}  ${trace.spans.size} spans of ` +
    `${servicesOf(trace).join(", ")}${
      trace.requestIds.size === 0 ? "" : `  request ${[...trace.requestIds].join(", ")}`
    }`,
    "",
    Output.table(columns, rowsOf(trace)),
    "",
    sentenceOf(trace),
    ...(trace.leftOut === 0 ? [] : [`${trace.leftOut} lines of more spans are left out`])
  ].join("\n")

export const told = (asked: Asked, traces: ReadonlyArray<LogTrace>, counts: Counts): string => {
  const shown = traces.slice(0, tracesMax)
  const more = counted(traces.length - shown.length, "older traces not shown")
  const body = asked.by === "all" ? [Output.table(listed, shown)] : shown.map((trace) => `${treeText(trace)}\n`)
  return [...body, ...more, asideOf(counts)].join("\n")
}

const rowJson = (row: Row) =>
  row._tag === "Gap" ? { span_id: row.spanId, depth: row.depth, gap: true } : {
    span_id: row.span.spanId,
    parent_id: row.span.parentId ?? null,
    depth: row.depth,
    gap: false,
    name: row.span.name,
    service: row.span.service,
    began_at: iso(row.span.start),
    duration_ms: row.span.durationMs ?? null,
    busy_ns: row.span.busyNs ?? null,
    idle_ns: row.span.idleNs ?? null,
    verdict: verdictOf(row.span) ?? null,
    error: row.span.error ?? null,
    lines: row.span.lines
  }

const traceJson = (asked: Asked) => (trace: LogTrace) => ({
  trace_id: trace.id,
  request_ids: [...trace.requestIds],
  began_at: iso(trace.first),
  lasts_ms: lastsMs(trace) ?? null,
  services: servicesOf(trace),
  lines: trace.lines,
  left_out: trace.leftOut,
  ...(asked.by === "all"
    ? { spans: trace.spans.size, begins_with: beginningOf(trace) }
    : { sentence: sentenceOf(trace), tree: rowsOf(trace).map(rowJson) })
})

export const toJson = (asked: Asked, traces: ReadonlyArray<LogTrace>, counts: Counts) => ({
  traces: traces.slice(0, tracesMax).map(traceJson(asked)),
  not_shown: Math.max(0, traces.length - tracesMax),
  lines: counts.lines,
  no_json: counts.noJson,
  no_trace: counts.noTrace,
  forgotten: counts.forgotten
})
