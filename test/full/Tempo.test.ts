/** A request's whole trace in Tempo, found by TraceQL, and the service graph that Tempo draws of it in Prometheus. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { missing, start } from "../../infra/servers.js"
import * as TraceStoreTempo from "../../layers/tracestore/TraceStoreTempo.ts"
import type { Finding } from "../../src/doctor/Finding.ts"
import type { Trace } from "../../src/trace/Trace.ts"
import { TraceStore } from "../../src/trace/TraceStore.ts"
import { ended } from "../cli/Commands.ts"
import { traceQueries } from "../support/Dashboards.ts"
import { callerOf } from "../support/HttpCall.ts"
import { noNats } from "../support/NatsServer.ts"
import { otlpReceiver } from "../support/OtlpReceiver.ts"
import { ownDatabase } from "../support/OwnDatabase.ts"
import { startProgram, until } from "../support/Programs.ts"
import { chain } from "../support/RealtimeChain.ts"
import { connect } from "../support/RealtimeClients.ts"
import { listening, newTag, programsEnv } from "../support/RunningApi.ts"
import { documented, isOfNumbers } from "../support/TraceQueries.ts"
import { ofOwnId, sendTo } from "../trace/Otlp.ts"

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
      const kinds = data.result.map(({ metric }: any) => metric.connection_type ?? "")
      if (kinds.length > 0) assert.include(kinds, connection)
      return kinds.length > 0
    })
  }
}

const verified = (base: string, ...args: ReadonlyArray<string>) =>
  Effect.runPromise(
    ended(startProgram("wordloom", {}, ["trace", "verify", "--backend", "tempo", "--base-url", base, ...args]))
  )

const traceIn = (base: string, id: string): Promise<Trace> =>
  TraceStore.use(({ get }) => get(id)).pipe(
    Effect.provide(TraceStoreTempo.layer(new URL(base))),
    Effect.runPromise
  ).then((found) => found!.trace)

/** DX-07 of doctor: the collector may take spans that Grafana never shows. */
const inGrafana = async (env: Readonly<Record<string, string>>, tempo: string): Promise<Finding> => {
  const program = startProgram("wordloom", env, ["doctor", "--json", "--tempo", tempo])
  await program.ended
  const { findings } = JSON.parse(program.output()) as { readonly findings: ReadonlyArray<Finding> }
  return findings.find(({ id }) => id === "DX-07")!
}

/** The real trace passes by its id and in a list; a copy of it without one acknowledgement fails, and says which. */
const verifies = async (tempo: { readonly query: string; readonly otlp: string }, traceId: string) => {
  const whole = await verified(tempo.query, "--trace-id", traceId)
  assert.include(whole, { code: 0, err: "" })
  assert.match(whole.out, /^PASS {2}trace /)
  const listed = await verified(tempo.query, "--service", "wordloom-api", "--operation", "POST /api/v1/tags")
  assert.include(listed, { code: 0, err: "" })

  const { spans, ...copy } = ofOwnId(await traceIn(tempo.query, traceId), 1)
  const acknowledgement = spans.find(({ name, service }) => name === "outbox.ack" && service.includes("search"))
  await sendTo(tempo.otlp, [{ ...copy, spans: spans.filter((span) => span !== acknowledgement) }])
  await until("the copy in Tempo", async () => (await fetch(`${tempo.query}/api/traces/${copy.id}`)).ok)
  const damaged = await verified(tempo.query, "--trace-id", copy.id, "--wait", "0")
  assert.include(damaged, { code: 1, err: "the trace is not what the contract promises\n" })
  assert.match(damaged.out, /^FAIL {2}trace /)
  assert.match(damaged.out, /outbox\.process \(search.*outbox\.ack/)
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

      await verifies(tempo.urls, traceId)
      assert.strictEqual((await inGrafana(env, `${tempo.urls.query}/api`)).health, "ok")
      const other = await otlpReceiver()
      const missing = await inGrafana({ ...env, OTEL_EXPORTER_OTLP_ENDPOINT: other.url }, `${tempo.urls.query}/api`)
      await other.stop()
      assert.strictEqual(missing.health, "fail")
      assert.match(missing.fix!, /let the collector export to Tempo/)

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

      for (const query of [...traceQueries.map((asked) => asked.query), ...documented]) {
        const path = isOfNumbers(query) ? "metrics/query_range" : "search"
        const found = await ask(`${tempo.url}/api/${path}`, { q: query, step: "15s", ...aroundNow() })
        assert.isArray(isOfNumbers(query) ? found.series : found.traces, query)
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

  it.skipIf(noNats !== undefined)("draws gateway, logic and task of the realtime chain", async () => {
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
