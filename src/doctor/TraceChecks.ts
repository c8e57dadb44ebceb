/** The findings about traces: whether they arrive, and where they are found; no IO. */
import { command } from "../explain/Steps.ts"
import { batches } from "./Batches.ts"
import type { Check, Said } from "./Check.ts"
import { notHttp, type SystemFacts } from "./SystemFacts.ts"

const off = (tracing: string): Said => ({
  health: "warn",
  cause: tracing === "off" ? "tracing is off" : "tracing is local: nothing is exported",
  evidence: { tracing },
  fix: "WORDLOOM_TRACING_ENABLED=1"
})

/** Whether the settings let a span go, and whether somebody took it; `undefined`: it was taken. */
const notTaken = ({ sampler, sent, tracesUrl, tracing }: SystemFacts): Said | undefined => {
  if (tracing !== "export") return off(tracing)
  if (sampler.endsWith("always_off")) {
    return {
      health: "fail",
      cause: "the sampler drops every trace",
      evidence: { sampler },
      fix: "OTEL_TRACES_SAMPLER=parentbased_always_on"
    }
  }
  if (typeof sent === "string" || sent === null) {
    return {
      health: "fail",
      cause: `nobody takes traces at ${tracesUrl}: ${sent}`,
      evidence: { endpoint: tracesUrl },
      fix: "start the collector, or mend OTEL_EXPORTER_OTLP_ENDPOINT (its base, port 4318)"
    }
  }
  return sent.status < 300 ? undefined : {
    health: "fail",
    cause: `${tracesUrl} refuses traces with ${sent.status}`,
    evidence: { endpoint: tracesUrl, status: sent.status },
    fix: "OTEL_EXPORTER_OTLP_ENDPOINT must be the base address of an OTLP/HTTP receiver"
  }
}

interface Place {
  readonly url: string
  readonly found: boolean | string | null
  /** What to do where the span is not there, and where nobody could look. */
  readonly unless: string
  readonly away: string
}

const isAt = ({ tracesUrl }: SystemFacts, { away, found, unless, url }: Place): Said => {
  const evidence = { endpoint: tracesUrl, backend: url }
  if (found === true) return { health: "ok", cause: `a span was sent and found again at ${url}`, evidence }
  return typeof found === "string"
    ? { health: "fail", cause: `a span was sent, but could not be looked for at ${url}: ${found}`, evidence, fix: away }
    : { health: "fail", cause: `a span was sent, but is not at ${url}: no such trace`, evidence, fix: unless }
}

const arrives = (facts: SystemFacts): Said => {
  const { backend, found, tracesUrl } = facts
  return notTaken(facts) ?? (backend === null
    ? {
      health: "ok",
      cause: `${tracesUrl} took a span; nobody said where traces are looked at`,
      evidence: { endpoint: tracesUrl },
      fix: "WORDLOOM_TRACE_URL, or --traces, and doctor looks for that span too"
    }
    : isAt(facts, {
      url: backend,
      found,
      unless: "look at the collector's own exporter, and whether both speak of the same backend",
      away: "start it, or say where traces are looked at with --traces"
    }))
}

/** Grafana shows what Tempo has. */
const inTempo = (facts: SystemFacts): Said => {
  const { tempo } = facts
  return notTaken(facts) ?? (tempo === null
    ? { health: "skip", cause: "nobody said where Tempo is (--tempo http://localhost:3200/api)" }
    : isAt(facts, {
      ...tempo,
      unless: "let the collector export to Tempo too; Grafana's data source must be that Tempo",
      away: "start Tempo, or say where it is with --tempo"
    }))
}

const { operation, service } = batches

/** A list by service alone is full of requests, in which a worker's own trace is easily missed. */
const inList = ({ listed }: SystemFacts): Said => {
  if (listed === null) return { health: "skip", cause: "nobody said where traces are looked at (--traces)" }
  if (typeof listed === "string") return { health: "skip", cause: `the list of traces could not be read: ${listed}` }
  const { byOperation, byService } = listed
  if (byOperation.length === 0) {
    return {
      health: "warn",
      cause: `no trace of ${service} has ${operation}, in a day`,
      evidence: { by_service: byService.length, by_operation: 0 },
      fix: "let a worker find work with WORDLOOM_TRACING_ENABLED=1; a sampler may have dropped it"
    }
  }
  const missed = byOperation.filter((id) => !byService.includes(id)).length
  const evidence = { by_service: byService.length, by_operation: byOperation.length, missed_by_service: missed }
  return missed === 0
    ? { health: "ok", cause: `the newest ${byOperation.length} batches are in the service's list, too`, evidence }
    : {
      health: "warn",
      cause: `${missed} of the newest ${byOperation.length} batches are not in the list of ${service} alone`,
      evidence,
      fix: `look by operation, too: ${command(`trace verify --service ${service} --operation ${operation}`)}`
    }
}

const restored = ({ backend, database, trace }: SystemFacts): Said => {
  if (backend === null) return { health: "skip", cause: "nobody said where traces are looked at (--traces)" }
  if (typeof database === "string") return { health: "skip", cause: "the database does not answer" }
  if (database.newestTrace === null) return { health: "skip", cause: "no finished row has a trace" }
  const evidence = { trace_id: database.newestTrace, spans: trace?.spans.length ?? 0 }
  if (trace === null) {
    return {
      health: "warn",
      cause: `the backend does not have trace ${database.newestTrace}: not sampled, or not exported`,
      evidence,
      fix: "compare WORDLOOM_TRACING of the API and of the worker"
    }
  }
  const services = new Set(trace.spans.map(({ service }) => service))
  return trace.spans.some(({ name }) => name === "outbox.process")
    ? { health: "ok", cause: `the newest row's trace has its worker's spans (${services.size} services)`, evidence }
    : {
      health: "fail",
      cause: "the row has a traceparent, but the worker's spans are not in that trace",
      evidence,
      fix: "switch tracing on in the worker too: WORDLOOM_TRACING_ENABLED=1"
    }
}

const port = ({ sent, tracesUrl, tracing }: SystemFacts): Said => {
  if (tracing !== "export") return { health: "ok", cause: "nothing is exported" }
  const evidence = { endpoint: tracesUrl, answer: typeof sent === "string" ? sent : sent?.status ?? null }
  const fix = "OTEL_EXPORTER_OTLP_ENDPOINT=http://…:4318"
  if (/:4317(\/|$)/.test(tracesUrl)) {
    return { health: "fail", cause: `${tracesUrl}: port 4317 speaks gRPC, this exporter speaks HTTP`, evidence, fix }
  }
  return sent === notHttp
    ? { health: "fail", cause: `${tracesUrl}: ${notHttp}, as a port for gRPC does`, evidence, fix }
    : { health: "ok", cause: "the exporter's port is not gRPC's", evidence }
}

export const traceChecks: ReadonlyArray<Check> = [
  ["DX-01", "no trace in the backend", arrives],
  ["DX-03", "API and worker apart, traceparent there", restored],
  ["DX-04", "exporter silently sends nothing", port],
  ["DX-05", "trace missing from the list", inList],
  ["DX-07", "not in Grafana", inTempo]
]
