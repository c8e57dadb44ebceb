/** A request's whole trace in Tempo, found by TraceQL, and the service graph that Tempo draws of it in Prometheus. */
import { assert, describe, it } from "@effect/vitest"
import { missing, start } from "../../infra/servers.js"
import { traceQueries } from "../support/Dashboards.ts"
import { callerOf } from "../support/HttpCall.ts"
import { ownDatabase } from "../support/OwnDatabase.ts"
import { startProgram, until } from "../support/Programs.ts"
import { chain, whyNot } from "../support/RealtimeChain.ts"
import { connect } from "../support/RealtimeClients.ts"
import { listening, newTag, programsEnv } from "../support/RunningApi.ts"

const lacking = process.env["WORDLOOM_FULL"] === "1"
  ? missing("tempo") ?? missing("prometheus")
  : "only with `npm run test:full`"
if (lacking !== undefined) console.warn(`Tempo is not tested: ${lacking}`)

const ask = async (url: string, parameters: Readonly<Record<string, string>> = {}) => {
  const answer = await fetch(`${url}?${new URLSearchParams(parameters).toString()}`, {
    headers: { accept: "application/json" }
  })
  if (!answer.ok) throw new Error(`${url} ${JSON.stringify(parameters)}: ${answer.status} ${await answer.text()}`)
  return await answer.json() as any
}

/** Each span of a trace as `service name`; Tempo answers in OTLP's shape. */
const told = (trace: any): ReadonlyArray<string> =>
  trace.batches.flatMap(({ resource, scopeSpans }: any) => {
    const service = resource.attributes.find(({ key }: any) => key === "service.name").value.stringValue
    return scopeSpans.flatMap(({ spans }: any) => spans.map(({ name }: any) => `${service} ${name}`))
  }).toSorted()

const half = (projection: string, engine: string) => {
  const service = `wordloom-${projection}-outbox-worker`
  const steps = ["outbox.wait", "outbox.process", "outbox.claim", engine, "outbox.ack"]
  return ["wordloom-api outbox.enqueue", ...steps.map((step) => `${service} ${step}`)]
}

const wholeTrace = [
  ...["POST /api/v1/tags", "db.tx", "db.create"].map((name) => `wordloom-api ${name}`),
  ...half("search", "search.upsert"),
  ...half("chronicle", "chronicle.append")
].toSorted()

/** An hour around now: without a time Tempo's search looks only at what has not been flushed. */
const aroundNow = () => {
  const now = Math.floor(Date.now() / 1_000)
  return { start: String(now - 1_800), end: String(now + 1_800) }
}

type Edge = readonly [client: string, server: string, connection: string]

/** `more` happens again and again, so that counters move and what has only one half is looked at again. */
const drawn = async (prometheus: string, edges: ReadonlyArray<Edge>, more: () => Promise<unknown>) => {
  for (const [client, server, connection] of edges) {
    await until(`the edge ${client} → ${server}`, async () => {
      await more()
      const query = `traces_service_graph_request_total{client="${client}",server="${server}"} > 0`
      const { data } = await ask(`${prometheus}/api/v1/query`, { query })
      const kinds = data.result.map(({ metric }: any) => metric.connection_type)
      if (kinds.length > 0) assert.include(kinds, connection)
      return kinds.length > 0
    })
  }
}

describe.skipIf(lacking !== undefined)("Tempo", () => {
  it("holds and draws what happened", async () => {
    const prometheus = await start("prometheus", { interval: "1s", targets: {} })
    const tempo = await start("tempo", { remoteWrite: prometheus.url })
    const database = await ownDatabase()
    const env = {
      ...programsEnv(database),
      WORDLOOM_TRACING_ENABLED: "1",
      OTEL_EXPORTER_OTLP_ENDPOINT: tempo.urls.otlp,
      OTEL_TRACES_SAMPLER: "always_on"
    }
    const programs = [startProgram("api", env), startProgram("worker", env)]
    try {
      const call = callerOf(await listening(programs[0]!))
      const written = await call("POST", "/api/v1/tags", {
        json: { name: "in Tempo", color: "#FFFFFF" },
        headers: { "x-request-id": "tempo-1" }
      })
      assert.strictEqual(written.status, 201)
      const traceId = String(written.headers["traceparent"]).slice(3, 35)

      const trace = await until("both halves in Tempo", async () => {
        const found = await ask(`${tempo.url}/api/traces/${traceId}`)
        return told(found).length >= wholeTrace.length ? found : undefined
      })
      assert.deepStrictEqual(told(trace), wholeTrace)

      // The searches of S2-29: by service, by span, by the caller's request id; and across the asynchronous border.
      const searches = [
        `{ resource.service.name = "wordloom-api" && name = "POST /api/v1/tags" }`,
        `{ resource.service.name = "wordloom-search-outbox-worker" && span.result = "ok" }`,
        `{ span.x_request_id = "tempo-1" && kind = consumer }`,
        `{ resource.service.name = "wordloom-api" && name = "outbox.enqueue" } > { name = "outbox.process" }`
      ]
      for (const q of searches) {
        await until(q, async () => {
          const { traces } = await ask(`${tempo.url}/api/search`, { q, ...aroundNow() })
          return traces.some(({ traceID }: any) => traceID.padStart(32, "0") === traceId)
        })
      }
      await until("TraceQL's percentiles", async () => {
        const { series } = await ask(`${tempo.url}/api/metrics/query_range`, {
          q: `{ name = "outbox.process" } | quantile_over_time(duration, .5, .95) by (resource.service.name)`,
          step: "15s",
          ...aroundNow()
        })
        return series.length >= 4
      })

      for (const { query, where } of traceQueries) {
        const isOfNumbers = query.includes("_over_time")
        const path = isOfNumbers ? "metrics/query_range" : "search"
        const found = await ask(`${tempo.url}/api/${path}`, { q: query, step: "15s", ...aroundNow() })
        assert.isArray(isOfNumbers ? found.series : found.traces, where)
      }

      const { pathname } = new URL(database.url)
      const edges: ReadonlyArray<Edge> = [
        ["wordloom-api", "wordloom-search-outbox-worker", "messaging_system"],
        ["wordloom-api", "wordloom-chronicle-outbox-worker", "messaging_system"],
        ["wordloom-api", pathname.slice(1), "virtual_node"],
        ["wordloom-search-outbox-worker", pathname.slice(1), "virtual_node"]
      ]
      await drawn(prometheus.url, edges, () => newTag(call))
    } finally {
      await Promise.all(programs.map((program) => program.stop()))
      await tempo.stop()
      await prometheus.stop()
      await database.drop()
    }
  })

  it.skipIf(whyNot !== undefined)("draws gateway, logic and task of the realtime chain", async () => {
    const prometheus = await start("prometheus", { interval: "1s", targets: {} })
    const tempo = await start("tempo", { remoteWrite: prometheus.url })
    const running = await chain({
      WORDLOOM_TRACING_ENABLED: "1",
      OTEL_EXPORTER_OTLP_ENDPOINT: tempo.urls.otlp,
      OTEL_TRACES_SAMPLER: "always_on"
    })
    try {
      await running.logic()
      await running.task()
      const client = await connect((await running.gateway()).url)
      const id = crypto.randomUUID()
      await running.database.query("insert into tags (id, name, color) values ($1::uuid, $1, '#000000')", id)
      client.send({ type: "join", session: `tag/${id}` })
      await client.frame("joined", ({ type }) => type === "joined")
      let said = 0
      const edges: ReadonlyArray<Edge> = [
        ["wordloom-gateway", "wordloom-logic", ""],
        ["wordloom-logic", "wordloom-task", "messaging_system"],
        ["wordloom-task", "wordloom-gateway", ""]
      ]
      await drawn(prometheus.url, edges, async () => {
        const seq = ++said
        client.send({ type: "send", session: `tag/${id}`, client_id: `c-${seq}`, text: "hello" })
        await client.frame("the message", (frame) => frame["type"] === "message" && frame["seq"] === seq)
      })
      client.socket.close()
    } finally {
      await running.stop()
      await tempo.stop()
      await prometheus.stop()
    }
  })
})
