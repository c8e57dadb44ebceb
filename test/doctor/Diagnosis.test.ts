/** Every check finds the one thing that is broken, and nothing else does. */
import { assert, describe, it } from "@effect/vitest"
import { diagnose } from "../../src/doctor/Diagnosis.ts"
import type { DatabaseFacts, SystemFacts } from "../../src/doctor/SystemFacts.ts"
import { probeOf, spansOf } from "../../src/doctor/TraceAnswer.ts"
import type { ProjectionFacts } from "../../src/explain/Facts.ts"

const projection: ProjectionFacts = {
  projection: "search",
  pausedAt: null,
  pausedReason: null,
  breakers: [],
  workers: [{ id: "w1", startedAt: 0 }],
  oldestAgeMs: 0,
  recent: { rows: 9, perSecond: 5, lagP50Ms: 800, lagP95Ms: 900, engineP50Ms: 120, engineP95Ms: 150 },
  failures: { throttled: 0, lost: 0, other: 0 }
}

const database: DatabaseFacts = {
  rows: 10,
  rowsWithoutTrace: 0,
  requestsWithoutTrace: 0,
  newestTrace: "1".repeat(32),
  projections: [projection],
  workersKilled: [],
  leasesOver: [],
  leasesOfNobody: [],
  dead: [],
  failures: [],
  lostAgain: [],
  drift: 0
}

const answered = (status: number, body = "{}") => ({ status, headers: {}, body })

const healthy: SystemFacts & { readonly database: DatabaseFacts } = {
  tracing: "export",
  tracesUrl: "http://localhost:4318/v1/traces",
  sampler: "parentbased_always_on",
  samplerArg: 1,
  logsAreJson: true,
  database,
  engineAway: null,
  sent: answered(200),
  backend: "http://localhost:16686/api",
  found: true,
  tempo: { url: "http://localhost:3200/api", found: true },
  listed: { byService: ["1", "2"], byOperation: ["2"] },
  platform: "linux",
  trace: [
    { id: "a", parent: null, name: "POST /api/v1/tags", service: "wordloom-api" },
    { id: "b", parent: "a", name: "outbox.process", service: "wordloom-search-outbox-worker" }
  ],
  apiUrl: "http://localhost:8000",
  ready: answered(200),
  echoed: true,
  metrics: answered(200, "# HELP a b\na{x=\"1\"} 1\na{x=\"2\"} 1\n"),
  folder: "infra",
  liveness: [{ file: "api.yaml", path: "/health/live" }]
}

const on = (change: Partial<DatabaseFacts>): Partial<SystemFacts> => ({ database: { ...database, ...change } })
const onSearch = (change: Partial<ProjectionFacts>) => on({ projections: [{ ...projection, ...change }] })

const many = Array.from({ length: 1_001 }, (_, at) => `b{id="${at}"} 1`).join("\n")

const broken: ReadonlyArray<readonly [ids: string, change: Partial<SystemFacts>, cause: RegExp]> = [
  ["DX-01 DX-07", { sampler: "always_off" }, /the sampler drops every trace/],
  ["DX-01 DX-07", { sent: "connect ECONNREFUSED" }, /nobody takes traces at .+ECONNREFUSED/],
  ["DX-01 DX-07", { sent: answered(404) }, /refuses traces with 404/],
  ["DX-01", { found: false }, /a span was sent, but is not at http:\/\/localhost:16686\/api: no such trace/],
  ["DX-05", { listed: { byService: ["1"], byOperation: ["1", "2"] } }, /1 of the newest 2 batches are not in the list/],
  ["DX-05", { listed: { byService: ["1"], byOperation: [] } }, /no trace of .+ has projection\.process_batch/],
  ["DX-07", { tempo: { url: "http://t/api", found: false } }, /is not at http:\/\/t\/api: no such trace/],
  ["DX-07", { tempo: { url: "http://t/api", found: "refused" } }, /is not at http:\/\/t\/api: refused/],
  [
    "DX-02",
    on({ rowsWithoutTrace: 3, requestsWithoutTrace: 2 }),
    /3 of the last 10 rows .+ 2 of them come from requests/
  ],
  ["DX-03", { trace: healthy.trace!.slice(0, 1) }, /the worker's spans are not in that trace/],
  ["DX-04", { tracesUrl: "http://localhost:4317/v1/traces" }, /port 4317 speaks gRPC/],
  ["DX-06", { logsAreJson: false }, /text for people/],
  [
    "DX-08",
    { trace: [...healthy.trace!, { id: "c", parent: "gone", name: "es.bulk", service: "s" }] },
    /es\.bulk names/
  ],
  ["DX-09", { echoed: false }, /drops the x-request-id/],
  ["DX-10", on({ drift: 4 }), /4 entities differed/],
  ["DX-10", { engineAway: "no node" }, /the search engine does not answer: no node/],
  ["DX-10", onSearch({ pausedAt: 1 }), /search is paused/],
  ["DX-11", onSearch({ oldestAgeMs: 20_000, workers: [] }), /20 s in search: no worker drains it \(poll\)/],
  ["DX-11", onSearch({ oldestAgeMs: 20_000 }), /its workers are behind \(lag\)/],
  ["DX-11 DX-15", onSearch({ oldestAgeMs: 20_000, failures: { throttled: 0, lost: 2, other: 0 } }), /\(reclaim\)/],
  ["DX-12", onSearch({ recent: { ...projection.recent!, lagP50Ms: 4_000, engineP95Ms: 3_000 } }), /up to 3000 ms/],
  ["DX-12", onSearch({ failures: { throttled: 7, lost: 0, other: 0 } }), /answers 429: 7 attempts/],
  ["DX-13", on({ leasesOfNobody: ["w9"] }), /worker w9 holds a lease, but does not live/],
  ["DX-13", on({ workersKilled: ["w9"] }), /1 workers ended without a word/],
  ["DX-14", on({ dead: [{ projection: "search", errorType: "es_mapping", rows: 3 }] }), /3 rows are dead/],
  ["DX-14", on({ failures: [{ errorType: "es_503", times: 5, attempt: 3 }] }), /5 attempts failed lately with es_503/],
  ["DX-15", on({ leasesOver: ["w9"] }), /the lease of w9 is over/],
  ["DX-16", on({ lostAgain: [{ event: "search/7", times: 3, worker: "w9" }] }), /search\/7 was lost 3 times/],
  ["DX-17", { ready: answered(503, "{\"checks\":{\"database\":{\"status\":\"fail\"}}}") }, /503: database fails/],
  ["DX-18", { liveness: [{ file: "api.yaml", path: "/health/ready" }] }, /api\.yaml asks \/health\/ready/],
  ["DX-19", { metrics: answered(200, many) }, /b has 1001 series/],
  ["DX-20", { trace: [...healthy.trace!, { id: "c", parent: null, name: "x", service: "a-worker" }] }, /is a root/],
  ["DX-22", { sampler: "parentbased_traceidratio", samplerArg: 0.1 }, /90 % of the traces are dropped/]
]

describe("doctor", () => {
  it("finds nothing in a healthy system, and looks at all twenty-four", () => {
    const findings = diagnose(healthy)
    const ids = Array.from({ length: 24 }, (_, at) => `DX-${String(at + 1).padStart(2, "0")}`)
    assert.deepStrictEqual(findings.map(({ id }) => id), ids)
    assert.deepStrictEqual(findings.filter(({ health }) => health !== "ok"), [])
  })

  for (const [ids, change, cause] of broken) {
    it(`finds by ${ids} that ${String(cause).slice(1, -1)}`, () => {
      const wrong = diagnose({ ...healthy, ...change }).filter(({ health }) => health !== "ok")
      assert.strictEqual(wrong.map(({ id }) => id).join(" "), ids)
      assert.match(wrong[0]!.cause, cause)
      for (const each of wrong) assert.isNotEmpty(each.fix)
    })
  }

  it("counts what failed by its reason and attempt", () => {
    const failures = [{ errorType: "es_503", times: 5, attempt: 3 }, { errorType: "es_429", times: 2, attempt: 1 }]
    const found = diagnose({ ...healthy, ...on({ failures }) }).find(({ id }) => id === "DX-14")!
    assert.deepInclude(found.evidence, { failed: 7, reasons: "es_503: 5, up to attempt 3; es_429: 2, up to attempt 1" })
  })

  it("says what it could not look at", () => {
    const findings = diagnose({ ...healthy, database: "refused", backend: null, found: null, trace: null })
    const skipped = findings.filter(({ health }) => health === "skip").map(({ id }) => id)
    assert.includeMembers(skipped, ["DX-02", "DX-03", "DX-08", "DX-11", "DX-16", "DX-20"])
    assert.deepStrictEqual(findings.filter(({ health }) => health === "fail"), [])
  })

  it("says of the modes off and local that nothing arrives, and how to change that", () => {
    const off = diagnose({ ...healthy, tracing: "off" }).find(({ id }) => id === "DX-01")!
    assert.deepInclude(off, { health: "warn", fix: "WORDLOOM_TRACING_ENABLED=1" })
    const local = diagnose({ ...healthy, tracing: "local" }).find(({ id }) => id === "DX-24")!
    assert.strictEqual(local.health, "warn")
  })

  it("reads a trace as Jaeger and as Tempo answer it, and takes nothing else for one", () => {
    const traceId = "0af7651916cd43dd8448eb211c80319c"
    const jaeger = {
      data: [{
        spans: [{
          spanID: "a",
          operationName: "x",
          processID: "p1",
          references: [{ refType: "CHILD_OF", spanID: "r", traceID: traceId }]
        }],
        processes: { p1: { serviceName: "wordloom-api" } }
      }]
    }
    assert.deepStrictEqual(spansOf(JSON.stringify(jaeger)), [{
      id: "a",
      parent: "r",
      name: "x",
      service: "wordloom-api"
    }])
    const sent = probeOf(traceId, 1)
    const own = { id: traceId.slice(16), parent: null, name: "doctor.probe", service: "wordloom-doctor" }
    assert.deepStrictEqual(spansOf(JSON.stringify({ batches: sent.resourceSpans })), [own])
    for (const body of ["", "{}", "null", "{\"data\":[]}", "<html>"]) assert.isUndefined(spansOf(body))
  })
})
