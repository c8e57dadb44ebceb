/** What is sent to a collector says what OpenTelemetry's own exporter would have said of the same spans. */
import { assert, describe, it } from "@effect/vitest"
import { SpanKind } from "@opentelemetry/api"
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http"
import { resourceFromAttributes } from "@opentelemetry/resources"
import { Schema } from "effect"
import { once } from "node:events"
import { createServer, type IncomingHttpHeaders } from "node:http"
import type { AddressInfo } from "node:net"
import { gunzipSync } from "node:zlib"
import { FinishedSpan, type RecordedBy } from "../../layers/telemetry/FinishedSpan.ts"
import * as OtlpHttp from "../../layers/telemetry/OtlpHttp.ts"
import { requestOf } from "../../layers/telemetry/OtlpText.ts"
import { TraceStateText } from "../../layers/telemetry/TraceStateText.ts"
import { readable } from "../support/ReadableSpans.ts"

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
const api: RecordedBy = { resource: resourceFromAttributes({ "service.name": "api" }), scope: { name: "test" } }
const worker: RecordedBy = { ...api, resource: resourceFromAttributes({ "service.name": "work\"er", "a.b": "ü" }) }

const plain = { kind: SpanKind.INTERNAL, spanId: "00f067aa0ba902b7", begun: 1_700_000_000_000_000_001n }

const spans: ReadonlyArray<FinishedSpan> = [
  new FinishedSpan(
    {
      ...plain,
      name: "a \"root\"\n",
      parentId: undefined,
      isRemote: true,
      ended: plain.begun,
      attributes: {
        text: "line\nbreak \\ 💡 \u0000 \ud800",
        whole: 7,
        no: 0,
        part: 0.25,
        is: true,
        large: 1e6,
        empty: ""
      }
    },
    { traceId, traceFlags: 3, traceState: undefined },
    api
  ),
  new FinishedSpan(
    {
      ...plain,
      kind: SpanKind.CONSUMER,
      name: "outbox.process",
      parentId: "00f067aa0ba902b8",
      isRemote: true,
      ended: 1_700_000_001_999_999_999n,
      attributes: {},
      error: "no \"luck\"",
      links: [{
        context: { traceId, spanId: "00f067aa0ba902b9", traceFlags: 1, traceState: new TraceStateText("a=1") },
        attributes: { why: "batch" }
      }],
      events: [{ name: "happened", nanos: 1_700_000_000_500_000_000n, attributes: { n: 1 } }]
    },
    { traceId, traceFlags: 1, traceState: new TraceStateText("ot=th:0,b@c=2") },
    worker
  ),
  new FinishedSpan(
    { ...plain, name: "db.tx", parentId: "00f067aa0ba902b7", isRemote: false, ended: plain.begun + 1n, attributes: {} },
    { traceId, traceFlags: 1, traceState: undefined },
    api
  )
]

/** Without what a receiver takes for granted. */
const meaning = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(meaning)
  if (typeof value !== "object" || value === null) return value
  const said = Object.entries(value).map(([key, inner]) => [key, meaning(inner)] as const)
  return Object.fromEntries(
    said.filter(([key, inner]) =>
      !(key.startsWith("dropped") && inner === 0) && inner !== null && inner !== 0 && JSON.stringify(inner) !== "[]" &&
        !(key === "status" && JSON.stringify(inner) === "{}") || key.endsWith("Value")
    )
  )
}

/** What a server got from what `send` sent to it. */
const received = async (send: (url: string) => Promise<unknown>) => {
  const got: Array<{ readonly headers: IncomingHttpHeaders; readonly body: Buffer }> = []
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk)).on("end", () => {
      got.push({ headers: request.headers, body: Buffer.concat(chunks) })
      response.end("{}")
    })
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  await send(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`)
  server.closeAllConnections()
  await new Promise((done) => server.close(done))
  assert.strictEqual(got.length, 1)
  const { body, headers } = got[0]!
  const text = headers["content-encoding"] === "gzip" ? gunzipSync(body) : body
  return { headers, said: meaning(JSON.parse(text.toString("utf8"))) }
}

const ours = (url: string) => {
  const sink = OtlpHttp.make({ url, timeoutMs: 60_000 })
  return new Promise((done) => sink.export(spans, done)).finally(sink.shutdown)
}

const theirs = (url: string) => {
  const exporter = new OTLPTraceExporter({ url })
  return new Promise((done) => exporter.export(spans.map(readable), done)).finally(() => exporter.shutdown())
}

describe("an export", () => {
  it("says what OpenTelemetry's own exporter says, and obeys the same variables", async () => {
    const variables = { OTEL_EXPORTER_OTLP_HEADERS: "x-key=secret", OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: "gzip" }
    for (const given of [{}, variables]) {
      Object.assign(process.env, given)
      try {
        const [mine, other] = [await received(ours), await received(theirs)]
        assert.deepStrictEqual(mine.said, other.said)
        for (const name of ["content-type", "content-encoding", "x-key", "user-agent"]) {
          assert.strictEqual(mine.headers[name], other.headers[name], name)
        }
        assert.strictEqual(mine.headers["x-key"], "x-key" in mine.headers ? "secret" : undefined)
      } finally {
        for (const name of Object.keys(given)) delete process.env[name]
      }
    }
  })

  const anything = Schema.Union([Schema.String, Schema.Number, Schema.Boolean])
  it.prop("keeps every name and value", { name: Schema.String, key: Schema.String, value: anything }, (given) => {
    const { key, name, value } = given
    const parts = { ...plain, name, parentId: undefined, isRemote: false, ended: plain.begun }
    const span = new FinishedSpan({ ...parts, attributes: { [key]: value }, error: name }, spans[0]!.trace, api)
    const [told] = JSON.parse(requestOf([span])).resourceSpans[0].scopeSpans[0].spans
    assert.strictEqual(told.name, name)
    assert.strictEqual(told.status.message, name)
    assert.strictEqual(told.attributes[0].key, key)
    const [said] = Object.values(told.attributes[0].value)
    assert.deepStrictEqual(typeof value === "number" ? Number(said) : said, Object.is(value, -0) ? 0 : value)
  })
})
