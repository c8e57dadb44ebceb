/** The findings about whole traces: where a chain breaks, what begins without a cause, and what is not kept; no IO. */
import type { Check, Said } from "./Check.ts"
import { brokenHops, orphansOf } from "./Hops.ts"
import { keptMax, type SystemFacts } from "./SystemFacts.ts"

const hops = ({ backend, recent }: SystemFacts): Said => {
  if (backend === null) return { health: "skip", cause: "nobody said where traces are looked at (--traces)" }
  if (typeof recent === "string") return { health: "skip", cause: `traces could not be read: ${recent}` }
  if (recent === null || recent.length === 0) return { health: "skip", cause: "no trace has ended in the last hour" }
  const broken = brokenHops(recent)
  const orphans = orphansOf(recent)
  const evidence = { traces: recent.length, broken: broken.length, without_parent: orphans.length }
  const [hop] = broken
  if (hop !== undefined) {
    const { callee, caller } = hop
    return {
      health: "fail",
      cause: `the chain breaks between ${caller.name} of ${caller.service} and ${callee.name} of ${callee.service}, ` +
        "which begins without a parent",
      evidence: { ...evidence, caller_trace: caller.traceId, callee_trace: callee.traceId },
      fix: `let ${caller.service} send traceparent and tracestate, and whatever is between pass them on to ` +
        callee.service
    }
  }
  const [first] = orphans
  return first === undefined
    ? { health: "ok", cause: `no chain breaks in the newest ${recent.length} traces`, evidence }
    : {
      health: "fail",
      cause: `${first.service}: ${first.name} names a parent that nobody has`,
      evidence: { ...evidence, span: first.name, service: first.service, trace: first.traceId },
      fix:
        "if a program was killed (-9), nothing: it could not tell the span that it was in, and this goes within the " +
        "hour; else mend the hop before it: its span was not exported, or a proxy changed traceparent"
    }
}

const roots = ({ trace }: SystemFacts): Said => {
  if (trace === null) return { health: "skip", cause: "no trace of a finished row could be read" }
  const ofWorkers = trace.spans.filter(({ service }) => service.endsWith("-worker"))
  if (ofWorkers.length === 0) return { health: "skip", cause: "the newest row's trace has no span of a worker" }
  const first = ofWorkers.find(({ parentId }) => parentId === undefined)
  return first === undefined
    ? { health: "ok", cause: "the worker's spans hang below the request's" }
    : {
      health: "fail",
      cause: `${first.name} of ${first.service} is a root in a request's trace`,
      evidence: { span: first.name, service: first.service },
      fix: "restore the row's traceparent before its span begins"
    }
}

const sampled = ({ sampler, samplerArg, tracing }: SystemFacts): Said =>
  tracing === "export" && (sampler.endsWith("ratio") && samplerArg < 1)
    ? {
      health: "warn",
      cause: `${Math.round((1 - samplerArg) * 100)} % of the traces are dropped at their root`,
      evidence: { sampler, ratio: samplerArg },
      fix: "WORDLOOM_TRACE_KEEP keeps failed and slow ones whatever the ratio"
    }
    : { health: "ok", cause: `the sampler is ${sampler}`, evidence: { sampler } }

/** A store that forgets sooner is not unusual; within a day the counters must be there as traces. */
const dayMs = 24 * 60 * 60 * 1_000

const keptFix = ({ sampler, traceKeep }: SystemFacts, spansDropped: number, wanted: string): string =>
  sampler === "always_off"
    ? "OTEL_TRACES_SAMPLER=parentbased_always_on"
    : !traceKeep.includes(wanted)
    ? "WORDLOOM_TRACE_KEEP=error,slow,debug"
    : spansDropped > 0
    ? "raise OTEL_BSP_MAX_QUEUE_SIZE, or mend the collector: tracing_spans_dropped_total of /metrics says why"
    : "look at WORDLOOM_TRACE_KEEP and OTEL_TRACES_SAMPLER of the API, and at how long the backend keeps traces"

/** Its counters know of every request, whatever became of the trace. */
const kept = (facts: SystemFacts): Said => {
  const { kept, now, requests, tracing } = facts
  if (kept === null || requests === null || tracing !== "export") return sampled(facts)
  const { failed, since, slow, slowOverMs, spansDropped } = requests
  const lost = { error: Math.min(failed, keptMax) - kept.failed, slow: Math.min(slow, keptMax) - kept.slow }
  const evidence = {
    failed,
    failed_kept: kept.failed,
    slow,
    slow_kept: kept.slow,
    ...(slow > 0 ? { slow_over_ms: slowOverMs } : {}),
    spans_dropped: spansDropped
  }
  if (lost.error <= 0 && lost.slow <= 0) {
    return failed + slow === 0 ? sampled(facts) : {
      health: "ok",
      cause: `the backend has what the API counted: ${failed} failed and ${slow} slow requests`,
      evidence
    }
  }
  const [what, counted, found, reason] = lost.error > 0
    ? ["failed requests", failed, kept.failed, "error"] as const
    : [`requests of more than ${slowOverMs} ms`, slow, kept.slow, "slow"] as const
  return {
    health: now - since < dayMs ? "fail" : "warn",
    cause: `the API counted ${counted} ${what} since it began, and the backend has ${found} of them`,
    evidence,
    fix: keptFix(facts, spansDropped, reason)
  }
}

export const chainChecks: ReadonlyArray<Check> = [
  ["DX-08", "chain broken between services", hops],
  ["DX-20", "orphan spans from background work", roots],
  ["DX-22", "slow or failed request absent", kept]
]
