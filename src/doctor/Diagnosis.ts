/** DX-01 to DX-24, each judged by what was looked at; no IO. */
import { chainChecks } from "./ChainChecks.ts"
import type { Check, Said } from "./Check.ts"
import { samplesOf } from "./Counters.ts"
import type { Finding } from "./Finding.ts"
import { logChecks } from "./LogChecks.ts"
import { rowChecks } from "./RowChecks.ts"
import type { Answered, SystemFacts } from "./SystemFacts.ts"
import { traceChecks } from "./TraceChecks.ts"

const isAnswer = (said: Answered | string): said is Answered => typeof said !== "string"

const requestId = ({ apiUrl, echoed, ready }: SystemFacts): Said =>
  !isAnswer(ready)
    ? { health: "skip", cause: `the API at ${apiUrl} does not answer: ${ready}`, evidence: { api: apiUrl } }
    : echoed
    ? { health: "ok", cause: "the API takes a caller's x-request-id and sends it back" }
    : {
      health: "fail",
      cause: "the API, or something before it, drops the x-request-id of its callers",
      evidence: { api: apiUrl },
      fix: "let proxies pass x-request-id on: 1 to 64 letters, digits, '.', '_' or '-'"
    }

const failingOf = (body: string): string => {
  const named = [...body.matchAll(/"(\w+)":\{"status":"fail"/g)].map(([, name]) => name)
  return named.length === 0 ? "unknown" : named.join(", ")
}

const ready = ({ apiUrl, ready: said }: SystemFacts): Said =>
  !isAnswer(said)
    ? {
      health: "warn",
      cause: `the API at ${apiUrl} does not answer: ${said}`,
      evidence: { api: apiUrl },
      fix: "node programs/api.js, or say where it is with --api"
    }
    : said.status === 200
    ? { health: "ok", cause: "/health/ready answers 200" }
    : said.status !== 503
    ? {
      health: "fail",
      cause: `what is at ${apiUrl} is not the API: /health/ready answers ${said.status}`,
      evidence: { api: apiUrl, status: said.status },
      fix: "say where the API is with --api"
    }
    : {
      health: "fail",
      cause: `/health/ready answers ${said.status}: ${failingOf(said.body)} fails`,
      evidence: { status: said.status, failing: failingOf(said.body) },
      fix: "mend the dependency that is named"
    }

const allowedPaths: ReadonlySet<string> = new Set(["/health/live", "/health"])

const liveness = ({ folder, liveness: found }: SystemFacts): Said => {
  if (found === undefined) return { health: "skip", cause: `there is no folder ${folder}`, evidence: { folder } }
  const wrong = found.filter(({ path }) => !allowedPaths.has(path))
  const [first] = wrong
  return first === undefined
    ? { health: "ok", cause: `${found.length} liveness probes look at nothing but the process`, evidence: { folder } }
    : {
      health: "fail",
      cause: `${first.file} asks ${first.path} whether a process lives: a dependency that is away restarts it`,
      evidence: { file: first.file, path: first.path, wrong: wrong.length },
      fix: "livenessProbe: /health/live; what depends on others belongs into the readinessProbe"
    }
}

/** More of one metric means that a label takes its values from what people say. */
const seriesMax = 1_000

const series = ({ apiUrl, metrics }: SystemFacts): Said => {
  if (!isAnswer(metrics)) return { health: "skip", cause: `/metrics does not answer: ${metrics}` }
  const counts = new Map<string, number>()
  for (const { name } of samplesOf(metrics.body)) counts.set(name, (counts.get(name) ?? 0) + 1)
  const [most = "", many = 0] = [...counts].toSorted((a, b) => b[1] - a[1])[0] ?? []
  const all = [...counts.values()].reduce((sum, each) => sum + each, 0)
  if (metrics.status !== 200 || all === 0) return { health: "skip", cause: `no metrics are at ${apiUrl}/metrics` }
  const evidence = { series: all, largest: most, largest_series: many }
  return many <= seriesMax
    ? { health: "ok", cause: `${all} series, ${most} has most of them (${many})`, evidence }
    : {
      health: "fail",
      cause: `${most} has ${many} series`,
      evidence,
      fix: "take the label's values from a closed list"
    }
}

const mode = ({ tracing }: SystemFacts): Said =>
  tracing === "local"
    ? {
      health: "warn",
      cause: "traces are local: ids in rows, logs and headers, and nothing is exported",
      evidence: { tracing },
      fix: "WORDLOOM_TRACING_ENABLED=1 exports them"
    }
    : { health: "ok", cause: `the mode is ${tracing}`, evidence: { tracing } }

const others: ReadonlyArray<Check> = [
  ["DX-09", "own request id is lost", requestId],
  ["DX-17", "/health/ready says 503", ready],
  ["DX-18", "restart storms", liveness],
  ["DX-19", "too many series", series],
  ["DX-23", "Windows event loop", ({ platform }) => ({
    health: "ok",
    cause: "does not exist on Node, which has one event loop everywhere",
    evidence: { platform }
  })],
  ["DX-24", "only logs, no traces", mode]
]

const checks = [...traceChecks, ...chainChecks, ...logChecks, ...rowChecks, ...others].toSorted(([a], [b]) =>
  a < b ? -1 : 1
)

export const diagnose = (facts: SystemFacts): ReadonlyArray<Finding> =>
  checks.map(([id, title, look]) => {
    const { cause, evidence, fix, health } = look(facts)
    return { id, title, health, cause, evidence: evidence ?? {}, fix: fix ?? null }
  })
