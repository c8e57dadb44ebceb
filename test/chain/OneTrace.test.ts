/** One write, followed: the real programs on the embedded database, from the request to the index, in one trace. */
import { assert, describe, it } from "@effect/vitest"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import { otlpReceiver, type ReceivedSpan } from "../support/OtlpReceiver.ts"
import { type Program, startProgram, until } from "../support/Programs.ts"

type Row = Record<string, any>

const services = { search: "wordloom-search-outbox-worker", chronicle: "wordloom-chronicle-outbox-worker" } as const
const engines = { search: "search.upsert", chronicle: "chronicle.append" } as const

describe("one write in one trace", () => {
  let home: string
  let collector: Awaited<ReturnType<typeof otlpReceiver>>
  let api: Program
  let worker: Program
  let base: string

  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(base + path, {
      method,
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: (text === "" ? null : JSON.parse(text)) as Row }
  }

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "wordloom-chain-"))
    collector = await otlpReceiver()
    const env = {
      WORDLOOM_HOME: join(home, "data"),
      WORDLOOM_TRACING_ENABLED: "1",
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: "50",
      WORDLOOM_HTTP_PORT: "0",
      OUTBOX_HTTP_PORT: "0",
      OUTBOX_METRICS_PORT: "0"
    }
    // The worker first: either order must do, and both must find the same database.
    worker = startProgram("worker", env)
    api = startProgram("api", env)
    base = (await api.printed(/listening on (http:\/\/[^"]+)/))[1]!
    await worker.printed(/draining search and chronicle/)
  })

  afterAll(async () => {
    await worker.stop()
    await api.stop()
    await collector.stop()
    await rm(home, { recursive: true, force: true })
  })

  const only = (name: string, spans: ReadonlyArray<ReceivedSpan>): ReceivedSpan => {
    assert.strictEqual(spans.length, 1, `${name}: ${spans.map((span) => span.name).join(", ")}`)
    return spans[0]!
  }

  /** The spans of the trace once both workers have told their part. */
  const traceOf = (traceId: string) =>
    until("both halves of the trace", () => {
      const spans = collector.spans.filter((span) => span.traceId === traceId)
      return spans.filter(({ name }) => name === "outbox.process").length === 2 &&
          spans.some(({ kind }) => kind === "SERVER")
        ? spans
        : undefined
    })

  const checkProjection = (
    projection: "search" | "chronicle",
    spans: ReadonlyArray<ReceivedSpan>,
    server: ReceivedSpan,
    row: Row
  ) => {
    const named = (name: string, parent: ReceivedSpan) =>
      only(
        name,
        spans.filter((span) =>
          span.name === name && span.parentSpanId === parent.spanId && span.attributes["projection"] === projection
        )
      )
    const enqueue = named("outbox.enqueue", server)
    assert.strictEqual(enqueue.kind, "PRODUCER")
    assert.strictEqual(enqueue.service, "wordloom-api")
    assert.strictEqual(row["traceparent"], `00-${enqueue.traceId}-${enqueue.spanId}-01`)
    const wait = named("outbox.wait", enqueue)
    assert.strictEqual(wait.attributes["reason"], "queue")
    const process = named("outbox.process", enqueue)
    assert.strictEqual(process.kind, "CONSUMER")
    assert.strictEqual(process.service, services[projection])
    assert.strictEqual(process.attributes["attempt"], 1)
    assert.strictEqual(process.attributes["result"], "ok")
    assert.strictEqual(process.attributes["outcome"], "acked")
    assert.strictEqual(process.attributes["ack_rows"], 1)
    assert.strictEqual(process.attributes["reclaimed"], false)
    assert.strictEqual(process.attributes["event_id"], String(row["id"]))
    assert.strictEqual(process.attributes["request_id"], row["request_id"])
    named("outbox.claim", process)
    assert.strictEqual(named(engines[projection], process).kind, "CLIENT")
    const ack = named("outbox.ack", process)
    assert.strictEqual(ack.attributes["rows"], 1)
    const steps = [server, enqueue, process, ack].map(({ attributes }) => attributes["step"])
    assert.deepStrictEqual(steps, ["api", "outbox_enqueue", "worker_process", "ack"])
    for (const span of [enqueue, wait, process]) {
      assert.isTrue(span.end >= span.start, `${span.name} ends before it starts`)
      assert.strictEqual(span.statusCode, 0)
    }
    return process
  }

  const checkLoop = async (process: ReceivedSpan) => {
    const link = only("link", process.links as never) as unknown as { traceId: string; spanId: string }
    const batch = await until(
      "the batch's own trace",
      () => collector.spans.find((span) => span.traceId === link.traceId && span.spanId === link.spanId)
    )
    assert.strictEqual(batch.name, "projection.process_batch")
    assert.isTrue(batch.links.some(({ spanId }) => spanId === process.spanId), "the batch links back")
    assert.strictEqual(
      Number(batch.attributes["ok"]) + Number(batch.attributes["failed"]),
      batch.attributes["batch_size"]
    )
    const loop = await until(
      "the loop",
      () => collector.spans.find((span) => span.traceId === batch.traceId && span.spanId === batch.parentSpanId)
    )
    assert.strictEqual(loop.name, "outbox_worker.loop")
    assert.strictEqual(loop.parentSpanId, "")
    const siblings = collector.spans.filter((span) => span.traceId === batch.traceId)
    assert.strictEqual(
      only("claim", siblings.filter(({ name }) => name === "outbox.claim_batch")).parentSpanId,
      loop.spanId
    )
    const ack = only("ack", siblings.filter(({ name }) => name === "outbox.ack_batch"))
    assert.strictEqual(ack.parentSpanId, batch.spanId)
    assert.strictEqual(ack.attributes["expected"], ack.attributes["acked"])
    assert.notStrictEqual(batch.traceId, process.traceId)
  }

  const rowOf = (projection: string, traceId: string) =>
    until(`the ${projection} row to be done`, async () => {
      const { body } = await call(
        "GET",
        `/api/v1/outbox/events?projection=${projection}&trace_id=${traceId}&status=done`
      )
      return body["items"][0] as Row | undefined
    })

  const follow = async (response: Awaited<ReturnType<typeof call>>, route: string, database: ReadonlyArray<string>) => {
    const traceId = response.headers.get("traceparent")!.slice(3, 35)
    const rows = { search: await rowOf("search", traceId), chronicle: await rowOf("chronicle", traceId) }
    const spans = await traceOf(traceId)
    const server = only("server", spans.filter(({ kind }) => kind === "SERVER"))
    assert.strictEqual(server.name, route)
    assert.strictEqual(server.service, "wordloom-api")
    assert.strictEqual(server.attributes["http.response.status_code"], response.status)
    assert.strictEqual(server.attributes["http.status_code"], response.status)
    assert.strictEqual(server.attributes["http.route"], route.split(" ")[1])
    const transaction = only("db.tx", spans.filter(({ name }) => name === "db.tx"))
    assert.strictEqual(transaction.parentSpanId, server.spanId)
    assert.strictEqual(transaction.attributes["step"], "db_tx")
    const statements = spans.filter((span) => span.parentSpanId === transaction.spanId)
    assert.deepStrictEqual(statements.map(({ name }) => name), database)
    for (const span of statements) assert.strictEqual(span.kind, "CLIENT")
    for (const projection of ["search", "chronicle"] as const) {
      await checkLoop(checkProjection(projection, spans, server, rows[projection]))
    }
    const ids = new Set(spans.map(({ spanId }) => spanId))
    const orphans = spans.filter((span) => span.parentSpanId !== "" && span !== server && !ids.has(span.parentSpanId))
    assert.deepStrictEqual(orphans.map(({ name }) => name), [])
    return { traceId, server, spans }
  }

  it("follows a tag from the request to search, chronicle and outbox", async () => {
    const name = `trace run ${Date.now()}`
    const created = await call("POST", "/api/v1/tags", { name, color: "#FFFFFF" }, { "x-request-id": "chain-tag-1" })
    assert.strictEqual(created.status, 201)
    assert.strictEqual(created.headers.get("x-request-id"), "chain-tag-1")
    const { traceId } = await follow(created, "POST /api/v1/tags", ["db.create"])
    const found = await call("GET", `/api/v1/search?q=${encodeURIComponent(name)}`)
    assert.strictEqual(found.body["items"][0].id, created.body["id"])
    const told = await call("GET", `/api/v1/chronicle?entity_id=${created.body["id"]}`)
    assert.strictEqual(told.body["items"].length, 1)
    assert.strictEqual(told.body["items"][0].trace_id, traceId)
    assert.strictEqual(told.body["items"][0].request_id, "chain-tag-1")
  })

  it("follows a block's title change under the caller's own trace, with its tracestate", async () => {
    const library = await call("POST", "/api/v1/libraries", { name: "chain" })
    const block = await call("POST", "/api/v1/blocks", { library_id: library.body["id"], title: "oldtitle", body: "x" })
    // Were both waiting at once, the first row would bring the second one's title along.
    await rowOf("search", block.headers.get("traceparent")!.slice(3, 35))
    const traceId = "0af7651916cd43dd8448eb211c80319c"
    const changed = await call("PATCH", `/api/v1/blocks/${block.body["id"]}`, { title: "newtitle" }, {
      traceparent: `00-${traceId}-b7ad6b7169203331-01`,
      tracestate: "vendor=abc",
      "if-match": block.headers.get("etag")!
    })
    assert.strictEqual(changed.status, 200)
    const { server, spans } = await follow(changed, "PATCH /api/v1/blocks/:id", ["db.query", "db.update"])
    assert.strictEqual(server.traceId, traceId)
    assert.strictEqual(server.parentSpanId, "b7ad6b7169203331")
    for (const span of spans) assert.strictEqual(span.traceState, "vendor=abc", span.name)
    const newTitle = await call("GET", "/api/v1/search?q=newtitle")
    assert.strictEqual(newTitle.body["items"][0].id, block.body["id"])
    const oldTitle = await call("GET", "/api/v1/search?q=oldtitle")
    assert.deepStrictEqual(oldTitle.body["items"], [])
  })

  it("says which database it asks and by which protocol it was asked, and no more than it may", async () => {
    const secret = `a value that no span shows ${Date.now()}`
    const created = await call("POST", "/api/v1/tags", { name: secret, color: "#FFFFFF" }, { "user-agent": secret })
    const { server, spans } = await follow(created, "POST /api/v1/tags", ["db.create"])
    const { port } = new URL(base)
    assert.deepInclude(server.attributes, {
      "http.request.method": "POST",
      "url.path": "/api/v1/tags",
      "url.scheme": "http",
      "network.protocol.version": "1.1",
      "server.address": "127.0.0.1",
      "server.port": Number(port)
    })
    const read = await call("GET", `/api/v1/tags/${created.body["id"]}?secret=${encodeURIComponent(secret)}`)
    const readTrace = read.headers.get("traceparent")!.slice(3, 35)
    const reading = await until("the read's spans", () => {
      const found = collector.spans.filter((span) => span.traceId === readTrace)
      return found.some(({ kind }) => kind === "SERVER") ? found : undefined
    })
    const batches = new Set(spans.flatMap(({ links }) => links.map((link) => link.traceId)))
    const loops = collector.spans.filter((span) => batches.has(span.traceId))
    const all = [...spans, ...loops, ...reading]
    const clients = all.filter(({ kind }) => kind === "CLIENT")
    assert.includeMembers(clients.map(({ name }) => name), [
      "db.create",
      "db.query",
      "outbox.claim_batch",
      "outbox.ack_batch",
      "search.upsert",
      "chronicle.append"
    ])
    for (const { attributes, name } of clients) {
      assert.strictEqual(attributes["db.system.name"], "postgresql", name)
      for (const key of ["db.namespace", "server.address"]) assert.isNotEmpty(attributes[key], `${name} ${key}`)
      assert.isAbove(attributes["server.port"] as number, 0, name)
    }
    const statement = only("db.create", spans.filter(({ name }) => name === "db.create"))
    assert.deepInclude(statement.attributes, { table: "tags", rows: 1, operation: "create" })
    for (const { attributes, name } of all) {
      for (const [key, value] of Object.entries(attributes)) {
        assert.notInclude(String(value), secret, `${name} ${key}`)
        if (!key.endsWith("_id")) assert.notMatch(String(value), /[0-9a-f]{8}-[0-9a-f]{4}-7/, `${name} ${key}`)
      }
    }
  })

  it("names a request by its method where it has no route, and a method that nobody knows not at all", async () => {
    for (const [method, name, shown] of [["GET", "GET", "GET"], ["PROPFIND", "HTTP", "_OTHER"]] as const) {
      const nowhere = await call(method, "/nowhere/at/all")
      const traceId = nowhere.headers.get("traceparent")!.slice(3, 35)
      const server = await until("its span", () => collector.spans.find((span) => span.traceId === traceId))
      assert.strictEqual(server.name, name)
      assert.strictEqual(server.attributes["http.request.method"], shown)
      for (const key of ["http.route", "url.path"]) assert.notProperty(server.attributes, key)
      assert.strictEqual(server.statusCode, 0)
    }
  })

  it("leaves the worker's log lines and the API's under the request's ids", async () => {
    const lines = api.output().trim().split("\n").map((line) => JSON.parse(line) as Row)
    const request = lines.find((line) => line["request_id"] === "chain-tag-1" && line["route"] === "/api/v1/tags")!
    assert.match(request["trace_id"], /^[0-9a-f]{32}$/)
    assert.match(request["span_id"], /^[0-9a-f]{16}$/)
    assert.strictEqual(request["x_request_id"], "chain-tag-1")
    assert.strictEqual(request["status"], 201)
  })
})
