/** The whole chain on the SOP's servers: a tag written to PostgreSQL, projected to Elasticsearch, told in Jaeger. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { inject } from "vitest"
import { missing, start } from "../../infra/servers.js"
import { freshDatabase, urlOf } from "../support/PostgresForTests.ts"
import { startProgram, until } from "../support/Programs.ts"

interface JaegerSpan {
  readonly spanID: string
  readonly operationName: string
  readonly processID: string
  readonly references: ReadonlyArray<{ readonly refType: string; readonly spanID: string }>
}

interface JaegerTrace {
  readonly spans: ReadonlyArray<JaegerSpan>
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>
}

const lacking = process.env["WORDLOOM_FULL"] === "1" ? missing("jaeger") : "only with `npm run test:full`"
if (lacking !== undefined) console.warn(`The SOP's chain is not tested: ${lacking}`)

/** Each span as `service name < parent's name`, so that a wrong parent or service shows. */
const told = ({ processes, spans }: JaegerTrace) => {
  const byId = new Map(spans.map((span) => [span.spanID, span]))
  return spans.map(({ operationName, processID, references }) => {
    const parent = references.find(({ refType }) => refType === "CHILD_OF")?.spanID ?? ""
    return `${processes[processID]!.serviceName} ${operationName} < ${byId.get(parent)?.operationName ?? "nothing"}`
  }).toSorted()
}

const half = (projection: string, engine: string) => {
  const service = `wordloom-${projection}-outbox-worker`
  return [
    "wordloom-api outbox.enqueue < POST /api/v1/tags",
    `${service} outbox.wait < outbox.enqueue`,
    `${service} outbox.process < outbox.enqueue`,
    `${service} outbox.claim < outbox.process`,
    `${service} ${engine} < outbox.process`,
    `${service} outbox.ack < outbox.process`
  ]
}

describe.skipIf(lacking !== undefined)("the SOP's chain", () => {
  it("is one trace in Jaeger, from the request to Elasticsearch's answer", () =>
    Effect.gen(function*() {
      const address = yield* freshDatabase
      const jaeger = yield* Effect.acquireRelease(
        Effect.promise(() => start("jaeger")),
        (server) => Effect.promise(() => server.stop())
      )
      yield* Effect.promise(() => chain(urlOf(address), jaeger.urls))
    }).pipe(Effect.scoped, Effect.runPromise))
})

const chain = async (databaseUrl: string, jaeger: { readonly query: string; readonly otlp: string }) => {
  const env = {
    DATABASE_URL: databaseUrl.replace("postgresql://", "postgresql+psycopg://"),
    ELASTIC_URL: inject("elasticsearchUrl")!,
    ELASTIC_INDEX: `wordloom-test-${Date.now()}`,
    WORDLOOM_TRACING_ENABLED: "1",
    OTEL_EXPORTER_OTLP_ENDPOINT: jaeger.otlp,
    OTEL_TRACES_SAMPLER: "always_on",
    OUTBOX_WORKER_ID: "w-trace",
    WORDLOOM_HTTP_PORT: "0",
    OUTBOX_HTTP_PORT: "0",
    OUTBOX_METRICS_PORT: "0"
  }
  const api = startProgram("api", env)
  const worker = startProgram("worker", env)
  try {
    const base = (await api.printed(/listening on (http:\/\/[^"]+)/))[1]!
    const written = await fetch(`${base}/api/v1/tags`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: "trace-run-004", color: "#FFFFFF" })
    })
    assert.strictEqual(written.status, 201)
    const traceId = written.headers.get("traceparent")!.slice(3, 35)
    const trace = await until("both halves in Jaeger", async () => {
      const { data } = await (await fetch(`${jaeger.query}/api/traces/${traceId}`)).json() as { data?: [JaegerTrace] }
      return data !== undefined && data[0].spans.length === 15 ? data[0] : undefined
    })
    const request = [
      "wordloom-api POST /api/v1/tags < nothing",
      "wordloom-api db.tx < POST /api/v1/tags",
      "wordloom-api db.create < db.tx"
    ]
    const expected = [...request, ...half("search", "es.bulk"), ...half("chronicle", "chronicle.append")]
    assert.deepStrictEqual(told(trace), expected.toSorted())
    await until("the tag in search", async () => {
      const found = await (await fetch(`${base}/api/v1/search?q=trace-run-004`)).json() as {
        items: ReadonlyArray<unknown>
      }
      return found.items.length === 1
    })
  } finally {
    await Promise.all([worker.stop(), api.stop()])
  }
}
