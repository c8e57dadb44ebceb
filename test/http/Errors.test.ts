/** What is no request of ours: unknown routes and methods, other types, too much; always a problem, never a hang. */
import { assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { connect } from "node:net"
import { gzipSync } from "node:zlib"
import { apiForAll, fresh, isProblem, logLines, newTag } from "../support/RunningApi.ts"

const id = "01890000-0000-7000-8000-000000000000"
const limit = 256 * 1_024

describe("errors", () => {
  const running = apiForAll({ env: { WORDLOOM_TRACING: "local" } })
  const { call } = running

  /** What a server answers to bytes that no HTTP client would send. */
  const sendRaw = async (bytes: string) => {
    const { hostname, port } = new URL(running.base)
    const socket = connect(Number(port), hostname)
    let text = ""
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      text += chunk
    })
    // The server may be done with us before we are done with it.
    socket.on("error", () => {})
    socket.write(bytes, "latin1")
    await once(socket, "close")
    const [head = "", body = ""] = text.split("\r\n\r\n")
    return { status: Number(head.slice(9, 12)), head: head.toLowerCase(), body }
  }

  for (
    const path of [
      "/nope",
      "/api",
      "/api/v1",
      "/api/v2/tags",
      "/api/v1/tag",
      `/api/v1/tags/${id}/more`,
      "/health/dead",
      "/metrics/x",
      "/api/v1/outbox",
      "/favicon.ico",
      "/%2e%2e/etc/passwd",
      "/api/v1/tags/%E0%A4%A",
      "/index.html"
    ]
  ) {
    it(`answers 404 to ${path}`, async () => {
      const answer = await call("GET", path)
      isProblem(answer, 404)
      assert.notProperty(answer.headers, "allow")
      isProblem(await call("POST", path, { json: {} }), 404)
    })
  }

  const collection = ["DELETE", "PATCH", "PUT", "OPTIONS"]
  const wrong: ReadonlyArray<readonly [path: string, allowed: ReadonlyArray<string>, wrong: ReadonlyArray<string>]> = [
    ["/api/v1/tags", ["GET", "HEAD", "POST"], collection],
    ["/api/v1/libraries", ["GET", "HEAD", "POST"], collection],
    ["/api/v1/blocks?limit=1", ["GET", "HEAD", "POST"], collection],
    [`/api/v1/tags/${id}`, ["DELETE", "GET", "HEAD", "PATCH"], ["POST", "PUT"]],
    [`/api/v1/libraries/${id}`, ["DELETE", "GET", "HEAD", "PATCH"], ["POST", "PUT"]],
    [`/api/v1/blocks/${id}`, ["DELETE", "GET", "HEAD", "PATCH"], ["POST", "PUT"]],
    ["/api/v1/search?q=a", ["GET", "HEAD"], ["POST", "DELETE"]],
    ["/api/v1/chronicle", ["GET", "HEAD"], ["POST", "DELETE"]],
    ["/api/v1/outbox/stats", ["GET", "HEAD"], ["POST"]],
    ["/api/v1/outbox/events", ["GET", "HEAD"], ["POST"]],
    ["/api/v1/outbox/replay", ["POST"], ["GET", "DELETE"]],
    ["/api/v1/outbox/events/search/1/replay", ["POST"], ["GET"]],
    ["/api/v1/outbox/search/pause", ["POST"], ["GET", "DELETE"]],
    ["/api/v1/outbox/search/resume", ["POST"], ["GET", "PUT"]],
    ["/health", ["GET", "HEAD"], ["POST", "DELETE"]],
    ["/health/ready", ["GET", "HEAD"], ["POST"]],
    ["/metrics", ["GET", "HEAD"], ["POST"]],
    ["/openapi.json", ["GET", "HEAD"], ["POST"]],
    ["/docs", ["GET", "HEAD"], ["POST"]],
    ["/", ["GET", "HEAD"], ["POST", "TRACE", "PROPFIND"]]
  ]
  for (const [path, allowed, methods] of wrong) {
    it(`answers 405 and the methods of ${path} to another`, async () => {
      for (const method of methods) {
        const answer = await call(method, path, method === "POST" ? { json: {} } : {})
        isProblem(answer, 405)
        assert.sameMembers(answer.headers["allow"]!.split(", "), [...allowed])
      }
    })
  }

  const types = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/xml",
    "application/jsonp",
    "text/json",
    "json",
    "*/*",
    ""
  ]
  for (const type of types) {
    it(`answers 415 to a body of type ${JSON.stringify(type)}, and writes nothing`, async () => {
      const name = fresh("other type")
      const said = { body: JSON.stringify({ name, color: "#123456" }), headers: { "content-type": type } }
      isProblem(await call("POST", "/api/v1/tags", said), 415)
      const at = `/api/v1/tags/${(await newTag(call))["id"]}`
      isProblem(await call("PATCH", at, { ...said, body: `{"name":"changed"}` }), 415)
      assert.strictEqual((await call("GET", at)).body.version, 1)
      assert.isEmpty(await running.database.query("select from tags where name = $1", name))
    })
  }

  it("answers 415 to a body without a type, and takes none for what needs none", async () => {
    const name = fresh("no type")
    const body = Buffer.from(JSON.stringify({ name, color: "#123456" }))
    // fetch says nothing of bytes.
    const answer = await fetch(`${running.base}/api/v1/tags`, { method: "POST", body })
    assert.strictEqual(answer.status, 415)
    assert.isEmpty(await running.database.query("select from tags where name = $1", name))
    const nothing = await fetch(`${running.base}/api/v1/outbox/realtime/resume`, { method: "POST" })
    assert.strictEqual(nothing.status, 200)
  })

  for (const type of ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"]) {
    it(`takes a body of type ${type}`, async () => {
      const body = JSON.stringify({ name: fresh("json"), color: "#123456" })
      assert.strictEqual((await call("POST", "/api/v1/tags", { body, headers: { "content-type": type } })).status, 201)
    })
  }

  const sized = (bytes: number) => {
    const body = JSON.stringify({ name: fresh("sized"), color: "#123456" })
    return body + " ".repeat(bytes - body.length)
  }

  for (const chunked of [false, true]) {
    const how = chunked ? "in chunks" : "with its length"

    it(`takes a body of 256 KiB ${how}`, async () => {
      assert.strictEqual((await call("POST", "/api/v1/tags", { body: sized(limit), chunked })).status, 201)
    })

    for (const bytes of [limit + 1, 1_000_000, 8_000_000]) {
      it(`answers 413 to ${bytes} bytes ${how}, and then goes on`, async () => {
        for (let round = 0; round < 5; round++) {
          isProblem(await call("POST", "/api/v1/tags", { body: sized(bytes), chunked }), 413)
          assert.strictEqual((await call("GET", "/health")).status, 200)
        }
      })
    }
  }

  it("answers 413 to a body that says that it is long, before any of it has come", async () => {
    const head = `POST /api/v1/tags HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${
      limit + 1
    }`
    const answer = await sendRaw(`${head}\r\n\r\n`)
    assert.strictEqual(answer.status, 413)
    assert.include(answer.head, "connection: close")
  })

  it("answers 415 to a body that is compressed", async () => {
    const body = gzipSync(JSON.stringify({ name: fresh("zipped"), color: "#123456" }))
    isProblem(await call("POST", "/api/v1/tags", { body, headers: { "content-encoding": "gzip" } }), 415)
  })

  it("answers 413 rather than 400 to a long body that is no JSON either", async () => {
    isProblem(await call("POST", "/api/v1/blocks", { body: "[".repeat(limit + 1) }), 413)
  })

  it("does not read a long body that no route takes", async () => {
    isProblem(await call("POST", "/nope", { body: sized(limit * 4) }), 404)
    isProblem(await call("DELETE", "/api/v1/tags", { body: sized(limit * 4) }), 405)
  })

  const malformed: ReadonlyArray<readonly [what: string, bytes: string, status: number]> = [
    ["no HTTP at all", "\u0000\u0001\u0002 hello\r\n\r\n", 400],
    ["a header without a colon", "GET /health HTTP/1.1\r\nhost: x\r\nnonsense\r\n\r\n", 400],
    ["a control character in a header", "GET /health HTTP/1.1\r\nhost: x\r\nx-request-id: a\u0001b\r\n\r\n", 400],
    ["two lengths", "POST /api/v1/tags HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}", 400],
    [
      "a length and chunks",
      "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
      400
    ],
    ["a length that is none", "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ten\r\n\r\n", 400],
    ["headers beyond all measure", `GET /health HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(20_000)}\r\n\r\n`, 431]
  ]
  for (const [what, bytes, status] of malformed) {
    it(`answers ${status} to ${what}, as a problem too`, async () => {
      const answer = await sendRaw(bytes)
      assert.strictEqual(answer.status, status)
      assert.include(answer.head, "content-type: application/problem+json")
      assert.include(answer.head, "connection: close")
      const problem = JSON.parse(answer.body)
      assert.strictEqual(problem.status, status)
      assert.isNotEmpty(problem.title)
      assert.isNotEmpty(problem.detail)
      assert.include(answer.head, `x-request-id: ${problem.request_id}`)
      assert.strictEqual((await call("GET", "/health")).status, 200)
    })
  }

  it("has answered none of this with an error of its own", () => {
    const errors = logLines(running.api).filter(({ level }) => level === "error")
    assert.deepStrictEqual(errors, [])
    assert.strictEqual(running.api.errors(), "")
  })
})
