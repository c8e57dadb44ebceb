/** Where one service called another and the trace did not go on: a beginning that should have had a parent; no IO. */
import { text, type Trace, type TraceSpan, treeOf } from "../trace/Trace.ts"
import { mayBeCalled } from "../trace/TreeChecks.ts"

/** Of our own programs: what begins there, and what calls it. What a browser begins has no caller of ours. */
const callersOf: Readonly<Record<string, ReadonlyArray<string>>> = {
  "outbox.process": ["outbox.enqueue"],
  "logic.chat.send_message": ["gateway.grpc.send_message"],
  "logic.chat.join": ["gateway.grpc.join"],
  "logic.chat.history": ["gateway.grpc.history"],
  "task.mq.consume": ["logic.mq.publish"],
  "gateway.push.receive": ["task.push.gateway"],
  "gateway.ws.on_message": [],
  handle_payload: ["http-request"]
}

/** What both sides of one hop say alike, if they say it. */
const marks = ["x_request_id", "request_id", "messaging.message.id"]
/** What they never say otherwise. */
const places = ["projection", "mq.topic"]

export interface BrokenHop {
  readonly caller: TraceSpan
  readonly callee: TraceSpan
}

interface Caller {
  readonly span: TraceSpan
  /** Nobody of another service took it up. */
  readonly isUnanswered: boolean
  readonly above: ReadonlySet<string>
}

/** Two services have two clocks. */
const skew = 100_000_000n

const isTaken = ({ kind }: TraceSpan) => kind === "server" || kind === "consumer"

const isCallee = (span: TraceSpan) => span.parentId === undefined && isTaken(span) && callersOf[span.name]?.length !== 0

const callersIn = (trace: Trace): ReadonlyArray<Caller> => {
  const tree = treeOf(trace)
  const aboveOf = (span: TraceSpan) => {
    const above = new Set<string>()
    for (let next = tree.parentOf(span); next !== undefined && !above.has(next.spanId); next = tree.parentOf(next)) {
      above.add(next.spanId)
    }
    return above
  }
  return tree.spans.filter(({ kind }) => kind === "client" || kind === "producer").map((span) => ({
    span,
    isUnanswered: !tree.childrenOf(span).some((child) => child.service !== span.service && isTaken(child)),
    above: aboveOf(span)
  }))
}

/** A call is not over before its answer; what was left for somebody may be taken at any time after. */
const fitsInTime = (caller: TraceSpan, callee: TraceSpan) =>
  callee.start + skew >= caller.start && (callee.kind === "consumer" || callee.end <= caller.end + skew)

const saidAlike = (caller: TraceSpan, callee: TraceSpan): "alike" | "otherwise" | "nothing" => {
  const isSaid = (key: string) => text(caller, key) !== "" && text(callee, key) !== ""
  const isSame = (key: string) => text(caller, key) === text(callee, key)
  const marked = marks.filter(isSaid)
  if (![...marked, ...places.filter(isSaid)].every(isSame)) return "otherwise"
  return marked.length === 0 ? "nothing" : "alike"
}

const calls = ({ above, isUnanswered, span }: Caller, callee: TraceSpan): boolean => {
  if (span.service === callee.service || (span.kind === "producer") !== (callee.kind === "consumer")) return false
  if (above.has(callee.spanId) || !fitsInTime(span, callee)) return false
  const known = callersOf[callee.name]
  if (known !== undefined && !known.includes(span.name)) return false
  const said = saidAlike(span, callee)
  if (said === "otherwise") return false
  // What a trace begins with comes before all that it calls.
  const isWithin = span.traceId === callee.traceId && span.start <= callee.start
  return said === "alike" || (isUnanswered && (known !== undefined || isWithin))
}

/** Of each beginning the latest caller before it. */
export const brokenHops = (traces: ReadonlyArray<Trace>): ReadonlyArray<BrokenHop> => {
  const callees = traces.flatMap(({ spans }) => spans.filter(isCallee))
  if (callees.length === 0) return []
  const callers = traces.flatMap(callersIn).toSorted((a, b) => a.span.start > b.span.start ? -1 : 1)
  return callees.flatMap((callee) => {
    const found = callers.find((caller) => calls(caller, callee))
    return found === undefined ? [] : [{ caller: found.span, callee }]
  })
}

/** Spans whose parent nobody has. */
export const orphansOf = (traces: ReadonlyArray<Trace>): ReadonlyArray<TraceSpan> =>
  traces.flatMap((trace) =>
    treeOf(trace).tops.filter((span) =>
      span.parentId !== undefined && !mayBeCalled(span) && text(span, "wordloom.reconstructed") === ""
    )
  )
