/** What log lines have told of traces so far: a span for each span id, and never more of them than the bound. */
import { type LogLine, readLine } from "./LogLine.ts"

export interface LogSpan {
  readonly spanId: string
  readonly parentId: string | undefined
  readonly service: string
  /** Of the line that tells of it as a whole; else the first thing that was said in it, in quotes. */
  readonly name: string
  /** Milliseconds since 1970; of a span without a duration, its first line's. */
  readonly start: number | undefined
  readonly durationMs: number | undefined
  readonly busyNs: number | undefined
  readonly idleNs: number | undefined
  readonly error: string | undefined
  readonly lines: number
}

export interface LogTrace {
  readonly id: string
  readonly requestIds: ReadonlySet<string>
  readonly spans: ReadonlyMap<string, LogSpan>
  readonly lines: number
  /** Lines of spans for which there was no room. */
  readonly leftOut: number
  readonly first: number | undefined
  readonly last: number | undefined
}

export type Asked =
  | { readonly by: "all" }
  | { readonly by: "trace"; readonly id: string }
  | { readonly by: "request"; readonly id: string }

export interface Counts {
  readonly lines: number
  readonly noJson: number
  readonly noTrace: number
  /** Traces that gave way to newer ones. */
  readonly forgotten: number
}

export interface LogBook {
  readonly add: (text: string) => void
  /** Of what was asked for, the newest first. */
  readonly traces: () => ReadonlyArray<LogTrace>
  readonly counts: () => Counts
}

/** Of all traces together; a span takes less than a kilobyte. */
const spansMax = 20_000
const requestIdsMax = 8

const earlier = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? a ?? b : Math.min(a, b)
const later = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? a ?? b : Math.max(a, b)

const startOf = ({ at, durationMs }: LogLine) => at === undefined ? undefined : at - (durationMs ?? 0)

const nameOf = ({ durationMs, message, span }: LogLine) => span ?? (durationMs === undefined ? undefined : message)

/** One line more of a span. */
const told = (span: LogSpan | undefined, line: LogLine): LogSpan => ({
  spanId: line.spanId,
  parentId: span?.parentId ?? line.parentId,
  service: span?.service ?? line.service,
  name: nameOf(line) ?? span?.name ?? `"${line.message}"`,
  start: earlier(span?.start, startOf(line)),
  durationMs: line.durationMs ?? span?.durationMs,
  busyNs: line.busyNs ?? span?.busyNs,
  idleNs: line.idleNs ?? span?.idleNs,
  error: span?.error ?? line.error,
  lines: (span?.lines ?? 0) + 1
})

interface Kept extends LogTrace {
  readonly requestIds: Set<string>
  readonly spans: Map<string, LogSpan>
  lines: number
  leftOut: number
  first: number | undefined
  last: number | undefined
}

const newestFirst = (a: LogTrace, b: LogTrace) => (b.last ?? 0) - (a.last ?? 0)

/** `room`: for how many spans; only a test has less. */
export const make = (asked: Asked, room = spansMax): LogBook => {
  const traces = new Map<string, Kept>()
  let spans = 0
  const counts = { lines: 0, noJson: 0, noTrace: 0, forgotten: 0 }

  const isAskedFor = ({ id, requestIds }: LogTrace) =>
    asked.by === "all" || (asked.by === "trace" ? id === asked.id : requestIds.has(asked.id))

  /** Half of the room, so that it is not looked for at every line; never what was asked for by name. */
  const makeRoom = (current: Kept) => {
    const oldestFirst = [...traces.values()].toSorted(newestFirst).toReversed()
    for (const trace of oldestFirst) {
      if (spans <= room / 2) return
      if (trace === current || (asked.by !== "all" && isAskedFor(trace))) continue
      traces.delete(trace.id)
      spans -= trace.spans.size
      counts.forgotten++
    }
  }

  const traceOf = (id: string): Kept => {
    const known = traces.get(id)
    if (known !== undefined) return known
    const made: Kept = {
      id,
      requestIds: new Set(),
      spans: new Map(),
      lines: 0,
      leftOut: 0,
      first: undefined,
      last: undefined
    }
    traces.set(id, made)
    return made
  }

  const keep = (line: LogLine) => {
    if (asked.by === "trace" && line.traceId !== asked.id) return
    const trace = traceOf(line.traceId)
    trace.lines++
    trace.first = earlier(trace.first, startOf(line))
    trace.last = later(trace.last, line.at)
    const isAsked = asked.by === "request" && line.requestId === asked.id
    if (line.requestId !== undefined && (isAsked || trace.requestIds.size < requestIdsMax)) {
      trace.requestIds.add(line.requestId)
    }
    const known = trace.spans.get(line.spanId)
    if (known === undefined && spans >= room) makeRoom(trace)
    if (known === undefined && spans >= room) {
      trace.leftOut++
      return
    }
    if (known === undefined) spans++
    trace.spans.set(line.spanId, told(known, line))
  }

  return {
    add: (text) => {
      const read = readLine(text)
      if (read === "blank") return
      counts.lines++
      if (read === "no-json") counts.noJson++
      else if (read === "no-trace") counts.noTrace++
      else keep(read)
    },
    traces: () => [...traces.values()].filter(isAskedFor).toSorted(newestFirst),
    counts: () => ({ ...counts })
  }
}
