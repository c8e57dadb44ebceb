/** The dashboards without Grafana: what they ask is asked of a real Prometheus that scrapes the real programs. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { afterAll, beforeAll } from "vitest"
import { parse } from "yaml"
import { missing, start } from "../../infra/servers.js"
import { reservePorts } from "../../infra/servers/system.js"
import * as MetricsText from "../../layers/telemetry/MetricsText.ts"
import { dashboards, datasources, promQueries, traceQueries } from "../support/Dashboards.ts"
import { type Caller, callerOf } from "../support/HttpCall.ts"
import { otlpReceiver } from "../support/OtlpReceiver.ts"
import { type OwnDatabase, ownDatabase } from "../support/OwnDatabase.ts"
import { type Program, startProgram, until } from "../support/Programs.ts"
import { created, listening, newLibrary, newTag, programsEnv } from "../support/RunningApi.ts"
import { mistakes } from "../support/TraceQueries.ts"

const lacking = missing("prometheus")
if (lacking !== undefined) console.warn(`The dashboards' queries are not asked: ${lacking}`)

const promtool = Path.join(import.meta.dirname, "../../.tools/prometheus/promtool")

const isOf = (kind: string) => ({ type }: { readonly type: string }) => type === kind
const source = (kind: string) => datasources.find(isOf(kind))!

describe("dashboards", () => {
  it("have ids of their own, and panels that fit beside each other", () => {
    assert.sameMembers(dashboards.map(({ uid }) => uid), ["wordloom-service", "wordloom-outbox"])
    for (const { panels, title } of dashboards) {
      assert.strictEqual(new Set(panels.map(({ id }) => id)).size, panels.length, title)
      assert.strictEqual(new Set(panels.map((panel) => panel.title)).size, panels.length, title)
      const taken = new Map<string, string>()
      for (const { gridPos: { h, w, x, y }, title: name } of panels) {
        assert.isAtMost(x + w, 24, name)
        for (let column = x; column < x + w; column++) {
          for (let row = y; row < y + h; row++) {
            assert.strictEqual(taken.get(`${column} ${row}`) ?? name, name, "two panels in one place")
            taken.set(`${column} ${row}`, name)
          }
        }
      }
    }
  })

  it("ask data sources that are provisioned, as those of their kind", () => {
    const kinds = new Map(datasources.map(({ type, uid }) => [uid, type]))
    for (const { panels } of dashboards) {
      for (const { targets = [], title } of panels) {
        assert.strictEqual(new Set(targets.map(({ refId }) => refId)).size, targets.length, title)
        for (const { datasource } of targets) assert.strictEqual(kinds.get(datasource.uid), datasource.type, title)
      }
    }
  })

  it("ask Tempo in TraceQL, by Grafana's own grammar", () => {
    assert.isNotEmpty(traceQueries)
    for (const { query, where } of traceQueries) assert.deepStrictEqual(mistakes(query), [], `${where}: ${query}`)
  })
})

const traceId = "0af7651916cd43dd8448eb211c80319c"
const withExemplar = {
  name: "duration_seconds",
  help: "",
  type: "histogram",
  samples: [{
    suffix: "_bucket",
    labels: { le: "1" },
    value: 1,
    exemplar: { traceId, spanId: "b7ad6b7169203331", value: 0.5, at: 0 }
  }]
} as const

describe("data sources", () => {
  it("lead from metrics to traces, from traces to logs and metrics, and from logs to traces", () => {
    const uids = datasources.map(({ uid }) => uid)
    const { exemplarTraceIdDestinations: [exemplar] } = source("prometheus").jsonData
    const { serviceMap, tracesToLogsV2, tracesToMetrics } = source("tempo").jsonData
    const { derivedFields: [trace] } = source("loki").jsonData
    assert.strictEqual(exemplar.datasourceUid, source("tempo").uid)
    assert.include(MetricsText.format([withExemplar], String, "openmetrics"), ` # {${exemplar.name}="${traceId}"`)
    assert.strictEqual(serviceMap.datasourceUid, source("prometheus").uid)
    assert.strictEqual(tracesToMetrics.datasourceUid, source("prometheus").uid)
    assert.strictEqual(tracesToLogsV2.datasourceUid, source("loki").uid)
    assert.strictEqual(trace.datasourceUid, source("tempo").uid)
    assert.strictEqual(new Set(uids).size, uids.length)
  })
})

/** Nothing goes wrong in this test, so these show nothing; that Prometheus takes their queries is asked anyway. */
const quiet = new Set([
  "Errors by route",
  "Spans lost, and why",
  "Retries by reason",
  "Dead rows by reason",
  "Reclaims and settlements that came too late",
  "Breakers that are open",
  // Nobody speaks here; the chain's own tests see these figures.
  "Clients and sessions",
  "Messages of sessions",
  "From commit to push",
  "Refused, closed, pushed in vain"
])

/** Everything that the panels tell of, but for trouble. */
const life = async (call: Caller) => {
  const library = await newLibrary(call)
  const tag = await newTag(call)
  await created(call, "blocks", { library_id: library["id"], title: "t", body: "b", tag_ids: [tag["id"]] })
  await call("PATCH", `/api/v1/tags/${tag["id"]}`, { json: { color: "#654321" }, headers: { prefer: "wait=5" } })
  await call("PATCH", `/api/v1/libraries/${library["id"]}`, { json: { name: `${library["name"]}, renamed` } })
  await call("GET", "/api/v1/search?q=t", { headers: { traceparent: "00-nonsense-01" } })
  await call("GET", "/api/v1/tags/1")
}

describe.skipIf(lacking !== undefined)("what the panels ask", () => {
  let running: {
    readonly database: OwnDatabase
    readonly programs: ReadonlyArray<Program>
    readonly collector: Awaited<ReturnType<typeof otlpReceiver>>
    readonly prometheus: Awaited<ReturnType<typeof start<"prometheus">>>
    readonly call: Caller
    readonly base: string
    readonly workerMetrics: string
  }

  const ask = async (path: string, parameters: Readonly<Record<string, string>>) => {
    const answer = await fetch(`${running.prometheus.url}/api/v1/${path}`, {
      method: "POST",
      body: new URLSearchParams(parameters)
    })
    const { data, error } = await answer.json() as any
    if (error !== undefined) throw new Error(`${JSON.stringify(parameters)}: ${error}`)
    return data
  }

  /** What is a number: a quantile of nothing is NaN, and a panel shows nothing for it. */
  const shown = async (query: string) => {
    const { result } = await ask("query", { query })
    return result.filter(({ value }: any) => !["NaN", "+Inf"].includes(value[1])) as ReadonlyArray<any>
  }

  beforeAll(async () => {
    const [database, collector, ports] = await Promise.all([
      ownDatabase(),
      otlpReceiver(),
      reservePorts({ metrics: 0 })
    ])
    const env = {
      ...programsEnv(database),
      OUTBOX_METRICS_PORT: String(ports.metrics),
      WORDLOOM_RECONCILE_EVERY: "1s",
      WORDLOOM_TRACING_ENABLED: "1",
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_TRACES_SAMPLER: "always_on"
    }
    const programs = [startProgram("api", env), startProgram("worker", env)]
    const base = await listening(programs[0]!)
    const targets = { "wordloom-api": [new URL(base).host], "wordloom-worker": [`127.0.0.1:${ports.metrics}`] }
    const prometheus = await start("prometheus", { interval: "1s", targets })
    const workerMetrics = `http://127.0.0.1:${ports.metrics}`
    running = { database, collector, programs, prometheus, base, workerMetrics, call: callerOf(base) }
    await programs[1]!.printed(/draining/)
  })

  afterAll(async () => {
    await Promise.all(running.programs.map((program) => program.stop()))
    await Promise.all([running.prometheus.stop(), running.collector.stop(), running.database.drop()])
  })

  it("is answered, with figures wherever something has happened", async () => {
    const wanted = promQueries.filter(({ title }) => !quiet.has(title))
    // A panel may have several queries of which one is about trouble: one that answers is enough.
    const titles = new Set(wanted.map(({ where }) => where))
    const found = new Set<string>()
    await until(`figures of ${[...titles].join("; ")}`, async () => {
      await life(running.call)
      for (const { query, where } of wanted) {
        if (!found.has(where) && (await shown(query)).length > 0) found.add(where)
      }
      for (const where of found) titles.delete(where)
      if (titles.size > 0) throw new Error(`nothing yet of ${[...titles].join("; ")}`)
      return true
    })
    for (const { query } of promQueries) await ask("query", { query })
    for (const { annotations: { list } } of dashboards) for (const { expr } of list) await ask("query", { query: expr })
    for (const { query } of source("tempo").jsonData.tracesToMetrics.queries) {
      await ask("query", { query: query.replace("$__tags", `service="wordloom-api"`) })
    }
  })

  it("names metrics that the programs have, or recordings that are made", async () => {
    const recording = Path.join(import.meta.dirname, "../../infra/prometheus/recording.yml")
    const recorded = parse(Fs.readFileSync(recording, "utf8")).groups.flatMap(({ rules }: any) => rules)
    const known = new Set(await ask("label/__name__/values", {}).catch(() => []))
    const { data } = await (await fetch(`${running.prometheus.url}/api/v1/metadata`)).json() as any
    for (const name of Object.keys(data)) known.add(name)
    for (const { record } of recorded) known.add(record)
    const base = (name: string) => name.replace(/_(bucket|sum|count|total)$/, "")
    const names = (text: string) =>
      text.match(/\b(?:(?:job|route|projection):)?(?:wordloom|process|nodejs)_[\w:]+/g) ?? []
    const asked = [...promQueries.map(({ query }) => query), ...recorded.map(({ expr }: any) => expr as string)]
    const unknown = asked.flatMap(names).filter((name) => !known.has(name) && !known.has(base(name)))
    assert.deepStrictEqual([...new Set(unknown)], [])
  })

  it("comes from metrics with which Prometheus' own tool finds no fault but Node's own names", async () => {
    for (const base of [running.base, running.workerMetrics]) {
      const input = await (await fetch(`${base}/metrics`)).text()
      const { stderr, stdout } = spawnSync(promtool, ["check", "metrics"], { input, encoding: "utf8" })
      // Gauges since the first client library for Node; every dashboard of Node's knows them by these names.
      const faults = `${stdout}${stderr}`.split("\n").filter((line) => !/^(nodejs_active_\w+_total .*)?$/.test(line))
      assert.deepStrictEqual(faults, [], base)
    }
  })

  it("leads on: exemplars name traces that were exported, under the label that Grafana looks for", async () => {
    const { exemplarTraceIdDestinations: [{ name }] } = source("prometheus").jsonData
    await until("an exemplar of an exported trace", async () => {
      await life(running.call)
      const now = Date.now() / 1_000
      const found = await ask("query_exemplars", {
        query: "wordloom_http_request_duration_seconds_bucket",
        start: String(now - 600),
        end: String(now + 60)
      })
      const ids = found.flatMap(({ exemplars }: any) => exemplars.map(({ labels }: any) => labels[name]))
      return ids.some((id: string) => running.collector.spans.some((span) => span.traceId === id))
    })
  })

  it("is found in log lines: the derived fields match what the programs print", () => {
    const { derivedFields } = source("loki").jsonData
    const line = running.programs[0]!.output().split("\n").find((each) => each.includes("POST /api/v1/tags 201"))!
    const fields = JSON.parse(line)
    const [trace, request] = derivedFields.map(({ matcherRegex }: any) => new RegExp(matcherRegex).exec(line)?.[1])
    assert.strictEqual(trace, fields.trace_id)
    assert.strictEqual(request, fields.request_id)
    assert.match(fields["service.name"], /^wordloom-.+/)
  })
})
