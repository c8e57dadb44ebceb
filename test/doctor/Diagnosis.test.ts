/** Every check finds the one thing that is broken, and nothing else does. */
import { assert, describe, it } from "@effect/vitest"
import { diagnose } from "../../src/doctor/Diagnosis.ts"
import { logFactsOf } from "../../src/doctor/LogFacts.ts"
import { type DatabaseFacts, notHttp, type SystemFacts } from "../../src/doctor/SystemFacts.ts"
import type { ProjectionFacts } from "../../src/explain/Facts.ts"
import type { TraceSpan } from "../../src/trace/Trace.ts"

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
  ownersTwice: [],
  leasesOver: [],
  leasesOfNobody: [],
  dead: [],
  failures: [],
  lostAgain: [],
  drift: 0
}

const answered = (status: number, body = "{}") => ({ status, headers: {}, body })

const traceId = "1".repeat(32)
const spanOf = (spanId: string, change: Partial<TraceSpan>): TraceSpan => ({
  traceId,
  spanId,
  parentId: undefined,
  name: spanId,
  service: "wordloom-api",
  kind: "internal",
  start: 0n,
  end: 1_000_000_000n,
  failed: false,
  message: "",
  attributes: {},
  links: [],
  ...change
})

const worker = "wordloom-search-outbox-worker"
const request = [
  spanOf("a", { name: "POST /api/v1/tags", kind: "server" }),
  spanOf("b", { parentId: "a", name: "outbox.enqueue", kind: "producer" }),
  spanOf("c", { parentId: "b", name: "outbox.process", service: worker, kind: "consumer" })
]
const traced = (...spans: ReadonlyArray<TraceSpan>) => ({ trace: { id: traceId, spans } })
const recent = (...spans: ReadonlyArray<TraceSpan>) => ({ recent: [{ id: traceId, spans: [...request, ...spans] }] })

const healthy: SystemFacts & { readonly database: DatabaseFacts } = {
  tracing: "export",
  tracesUrl: "http://localhost:4318/v1/traces",
  sampler: "parentbased_always_on",
  samplerArg: 1,
  traceKeep: ["error", "slow", "debug"],
  logsAreJson: true,
  logs: null,
  now: 1_000,
  database,
  engineAway: null,
  sent: answered(200),
  backend: "http://localhost:16686/api",
  found: true,
  tempo: { url: "http://localhost:3200/api", found: true },
  listed: { byService: ["1", "2"], byOperation: ["2"] },
  platform: "linux",
  ...traced(...request),
  ...recent(),
  requests: { failed: 2, failedBy: new Map([["503", 2]]), slow: 1, slowOverMs: 1_000, since: 0, spansDropped: 0 },
  kept: { failed: 2, slow: 1 },
  apiUrl: "http://localhost:8000",
  ready: answered(200),
  echoed: true,
  metrics: answered(200, "# HELP a b\na{x=\"1\"} 1\na{x=\"2\"} 1\n"),
  ports: [{ setting: "OUTBOX_HTTP_PORT", port: 9_111, by: "us" }],
  folder: "infra",
  liveness: [{ file: "api.yaml", path: "/health/live" }]
}

const on = (change: Partial<DatabaseFacts>): Partial<SystemFacts> => ({ database: { ...database, ...change } })
const onSearch = (change: Partial<ProjectionFacts>) => on({ projections: [{ ...projection, ...change }] })

const many = Array.from({ length: 1_001 }, (_, at) => `b{id="${at}"} 1`).join("\n")

const other = "2".repeat(32)
const mark = { attributes: { x_request_id: "r-1" } }
const ids = { trace_id: traceId, span_id: "1".repeat(16) }
const lines = [
  JSON.stringify({ message: "GET 200", "service.name": "wordloom-api", request_id: "r-1", ...ids }),
  `api-1 | ${
    JSON.stringify({ message: "the database does not answer", "service.name": "wordloom-api", request_id: "r-2" })
  }`
]
const untraced = JSON.stringify({ message: "handle_payload", "service.name": "wordloom-query", x_request_id: "r-1" })

const broken: ReadonlyArray<readonly [ids: string, change: Partial<SystemFacts>, cause: RegExp]> = [
  ["DX-01 DX-07", { sampler: "always_off" }, /the sampler drops every trace/],
  ["DX-01 DX-07", { sent: "connect ECONNREFUSED" }, /nobody takes traces at .+ECONNREFUSED/],
  ["DX-01 DX-07", { sent: answered(404) }, /refuses traces with 404/],
  ["DX-01", { found: false }, /a span was sent, but is not at http:\/\/localhost:16686\/api: no such trace/],
  ["DX-05", { listed: { byService: ["1"], byOperation: ["1", "2"] } }, /1 of the newest 2 batches are not in the list/],
  ["DX-05", { listed: { byService: ["1"], byOperation: [] } }, /no trace of .+ has projection\.process_batch/],
  ["DX-07", { tempo: { url: "http://t/api", found: false } }, /is not at http:\/\/t\/api: no such trace/],
  [
    "DX-07",
    { tempo: { url: "http://t/api", found: "refused" } },
    /could not be looked for at http:\/\/t\/api: refused/
  ],
  ["DX-01", { found: "refused" }, /could not be looked for at http:\/\/localhost:16686\/api: refused/],
  [
    "DX-02",
    on({ rowsWithoutTrace: 3, requestsWithoutTrace: 2 }),
    /3 of the last 10 rows .+ 2 of them come from requests/
  ],
  ["DX-02", on({ rows: 0, rowsWithoutTrace: 0 }), /^there is no row yet/],
  ["DX-03 DX-20", traced(...request.slice(0, 2)), /the worker's spans are not in that trace/],
  ["DX-01 DX-04 DX-07", { sent: notHttp }, /speaks no HTTP/],
  ["DX-04", { tracesUrl: "http://localhost:4317/v1/traces" }, /port 4317 speaks gRPC/],
  ["DX-06", { logsAreJson: false }, /text for people/],
  ["DX-06", { logs: logFactsOf([...lines, "x", "y", "z"]) }, /3 of the last 5 log lines are no JSON/],
  ["DX-06", { logs: logFactsOf([...lines, "> npm start"]) }, /1 of the last 3 log lines are no JSON/],
  ["DX-06", { logs: logFactsOf([...lines, untraced]) }, /log lines of wordloom-query name a request, but no trace/],
  ["DX-06", { logs: logFactsOf([]) }, /there is no line/],
  ["DX-06", { logs: logFactsOf(["{}"]) }, /none of the last 1 log lines is of a request/],
  ["DX-08", recent(spanOf("d", { parentId: "gone", name: "es.bulk" })), /wordloom-api: es\.bulk names/],
  [
    "DX-08",
    recent(
      spanOf("d", { traceId: other, name: "handle_payload", service: "q", kind: "server", ...mark }),
      spanOf("e", { parentId: "a", name: "http-request", kind: "client", ...mark })
    ),
    /between http-request of wordloom-api and handle_payload of q,/
  ],
  ["DX-09", { echoed: false }, /drops the x-request-id/],
  ["DX-10", on({ drift: 4 }), /4 entities differed/],
  ["DX-10", { engineAway: { why: "no node", noIndex: false } }, /the search engine does not answer: no node/],
  ["DX-10", onSearch({ pausedAt: 1 }), /search is paused/],
  ["DX-11", onSearch({ oldestAgeMs: 20_000, workers: [] }), /20 s in search: no worker drains it \(poll\)/],
  ["DX-11", onSearch({ oldestAgeMs: 20_000 }), /its workers are behind \(lag\)/],
  ["DX-10 DX-11", onSearch({ oldestAgeMs: 20_000, pausedAt: 1 }), /search is paused/],
  [
    "DX-11",
    onSearch({ oldestAgeMs: 20_000, failures: { throttled: 0, lost: 0, other: 9 } }),
    /9 attempts failed lately/
  ],
  ["DX-11 DX-15", onSearch({ oldestAgeMs: 20_000, failures: { throttled: 0, lost: 2, other: 0 } }), /\(reclaim\)/],
  ["DX-12", onSearch({ recent: { ...projection.recent!, lagP50Ms: 4_000, engineP95Ms: 3_000 } }), /up to 3000 ms/],
  ["DX-12", onSearch({ failures: { throttled: 7, lost: 0, other: 0 } }), /answers 429: 7 attempts/],
  ["DX-13", on({ leasesOfNobody: ["w9"] }), /worker w9 holds a lease, but does not live/],
  ["DX-13", on({ workersKilled: ["w9"] }), /^1 worker ended without a word: w9/],
  [
    "DX-14",
    on({ dead: [{ projection: "search", errorType: "es_mapping", rows: 3 }] }),
    /^3 rows are dead in search, because of es_mapping/
  ],
  [
    "DX-14",
    on({ dead: [{ projection: "search", errorType: "es_4xx", rows: 1 }] }),
    /^1 row is dead in search, .+ es_4xx/
  ],
  ["DX-10", on({ drift: 1 }), /^1 entity differed/],
  ["DX-14", on({ failures: [{ errorType: "es_503", times: 5, attempt: 3 }] }), /5 attempts failed lately with es_503/],
  ["DX-15", on({ leasesOver: ["w9"] }), /the lease of w9 is over/],
  ["DX-16", on({ lostAgain: [{ event: "search/7", times: 3, worker: "w9" }] }), /search\/7 was lost 3 times/],
  ["DX-17", { ready: answered(503, "{\"checks\":{\"database\":{\"status\":\"fail\"}}}") }, /503: database fails/],
  ["DX-17", { ready: answered(400) }, /is not the API: .+ answers 400/],
  ["DX-18", { liveness: [{ file: "api.yaml", path: "/health/ready" }] }, /api\.yaml asks \/health\/ready/],
  ["DX-19", { metrics: answered(404, "not here") }, /no metrics are at .+\/metrics/],
  ["DX-19", { metrics: answered(200, many) }, /b has 1001 series/],
  ["DX-13", on({ ownersTwice: ["w9"] }), /two processes work as w9/],
  [
    "DX-13",
    { ports: [{ setting: "OUTBOX_HTTP_PORT", port: 9_111, by: "another" }] },
    /port 9111 \(OUTBOX_HTTP_PORT\) is taken by another program/
  ],
  ["DX-20", traced(...request, spanOf("d", { service: "a-worker" })), /is a root/],
  ["DX-22", { kept: { failed: 0, slow: 1 } }, /counted 2 failed requests since it began, and the backend has 0/],
  ["DX-22", { kept: { failed: 2, slow: 0 } }, /counted 1 requests of more than 1000 ms .+ has 0 of them/],
  ["DX-22", { kept: null, sampler: "parentbased_traceidratio", samplerArg: 0.1 }, /90 % of the traces are dropped/]
]

describe("doctor", () => {
  it("finds nothing in a healthy system, and looks at all twenty-four", () => {
    const findings = diagnose({ ...healthy, logs: logFactsOf(lines) })
    const ids = Array.from({ length: 24 }, (_, at) => `DX-${String(at + 1).padStart(2, "0")}`)
    assert.deepStrictEqual(findings.map(({ id }) => id), ids)
    assert.deepStrictEqual(findings.filter(({ health }) => health !== "ok"), [])
  })

  for (const [ids, change, cause] of broken) {
    it(`finds by ${ids} that ${String(cause).slice(1, -1)}`, () => {
      const wrong = diagnose({ ...healthy, ...change }).filter(({ health }) => health !== "ok")
      assert.strictEqual(wrong.map(({ id }) => id).join(" "), ids)
      assert.match(wrong[0]!.cause, cause)
      for (const { fix, health } of wrong) if (health !== "skip") assert.isNotEmpty(fix)
    })
  }

  it("does not ask for more workers where changes wait for another reason", () => {
    const fixOf = (change: Partial<ProjectionFacts>) =>
      diagnose({ ...healthy, ...onSearch({ oldestAgeMs: 20_000, ...change }) }).find(({ id }) => id === "DX-11")!.fix
    assert.strictEqual(fixOf({ pausedAt: 1 }), "node programs/wordloom.js outbox resume search")
    assert.match(fixOf({ failures: { throttled: 0, lost: 0, other: 9 } })!, /^mend the destination/)
    assert.match(fixOf({})!, /more workers/)
  })

  it("tells a store that is away from one that a span did not reach", () => {
    const fixOf = (found: boolean | string) => diagnose({ ...healthy, found }).find(({ id }) => id === "DX-01")!.fix
    assert.match(fixOf("refused")!, /^start it, or say where traces are looked at with --traces/)
    assert.match(fixOf(false)!, /^look at the collector's own exporter/)
  })

  it("says of no worker's spans that they hang where they should when there are none", () => {
    const found = diagnose({ ...healthy, ...traced(...request.slice(0, 2)) }).find(({ id }) => id === "DX-20")!
    assert.strictEqual(found.health, "skip")
  })

  it("says its commands as they can be pasted, after any clone", () => {
    const said = broken.flatMap(([, change]) => diagnose({ ...healthy, ...change })).map(({ cause, fix }) =>
      `${cause} ${fix}`
    )
    const pasted = said.flatMap((text) =>
      text.match(/(?:\S+ )?\S*wordloom(?:\.js)? (?:explain|outbox|reconcile|trace)\b/g) ?? []
    )
    assert.isNotEmpty(pasted)
    for (const command of pasted) assert.match(command, /^node programs\/wordloom\.js /)
  })

  it("counts what failed by its reason and attempt", () => {
    const failures = [{ errorType: "es_503", times: 5, attempt: 3 }, { errorType: "es_429", times: 2, attempt: 1 }]
    const found = diagnose({ ...healthy, ...on({ failures }) }).find(({ id }) => id === "DX-14")!
    assert.deepInclude(found.evidence, { failed: 7, reasons: "es_503: 5, up to attempt 3; es_429: 2, up to attempt 1" })
  })

  it("says what it could not look at", () => {
    const findings = diagnose({
      ...healthy,
      database: "refused",
      backend: null,
      found: null,
      trace: null,
      recent: null
    })
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
})
