/** Thousands of requests that nobody would write: none breaks the server, its rows or its log. */
import { assert, describe, it } from "@effect/vitest"
import { afterAll, beforeAll } from "vitest"
import { anyHeaders, anyJson, anyObject, hex, text } from "../support/Fuzzing.ts"
import type { Answer, Said } from "../support/HttpCall.ts"
import { logLines, newLibrary, newTag, type RunningApi, runningApi } from "../support/RunningApi.ts"
import { withSeed } from "../support/Seeded.ts"

interface Request {
  readonly method: string
  readonly path: string
  readonly said: Said
}

/** Requests that are sent at once. */
const together = 16

const traceparent = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]$/
const requestId = /^[A-Za-z0-9._-]{1,64}$/

describe("whatever comes", () => {
  let running: RunningApi
  let ids: { readonly tag: string; readonly library: string }
  let named = 0

  beforeAll(async () => {
    running = await runningApi({ env: { WORDLOOM_TRACING: "local" } })
    const { call } = running
    ids = { tag: (await newTag(call))["id"], library: (await newLibrary(call))["id"] }
  })
  afterAll(() => running.stop())

  const isSound = (request: Request, answer: Answer) => {
    const context = () =>
      `${request.method} ${request.path} ${JSON.stringify(request.said)}: ${answer.status} ${answer.text}`
    if (answer.status >= 500 || answer.status < 200) throw new Error(`it broke: ${context()}`)
    if (!requestId.test(String(answer.headers["x-request-id"]))) throw new Error(`no request id: ${context()}`)
    const trace = answer.headers["traceparent"]
    if (trace !== undefined && !traceparent.test(String(trace))) {
      throw new Error(`a bad traceparent ${String(trace)}: ${context()}`)
    }
    if (answer.status >= 400 && answer.headers["content-type"] !== "application/problem+json") {
      throw new Error(`not a problem: ${context()}`)
    }
  }

  const send = async (
    requests: ReadonlyArray<Request>,
    check: (request: Request, answer: Answer) => void = isSound
  ) => {
    const statuses = new Map<number, number>()
    for (let at = 0; at < requests.length; at += together) {
      await Promise.all(
        requests.slice(at, at + together).map(async (request) => {
          const answer = await running.call(request.method, request.path, request.said)
          check(request, answer)
          statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
        })
      )
    }
    return statuses
  }

  const rowsAreSound = async () => {
    const rows = await running.database.query(
      `select traceparent, tracestate, request_id from search_outbox_events
       union all select traceparent, tracestate, request_id from chronicle_outbox_events`
    )
    for (const row of rows) {
      assert.match(row["traceparent"], traceparent)
      assert.match(row["request_id"], requestId)
      if (row["tracestate"] !== null) assert.match(row["tracestate"], /^[\x20-\x7e]{1,512}$/)
    }
    return rows.length
  }

  const logIsSound = () => {
    for (const line of logLines(running.api)) {
      assert.containsAllKeys(line, ["timestamp", "level", "message", "service.name"])
      assert.notStrictEqual(line["level"], "fake")
      assert.notStrictEqual(line["level"], "error")
      if (line["trace_id"] !== undefined) assert.match(line["trace_id"], /^[0-9a-f]{32}$/)
    }
    assert.strictEqual(running.api.errors(), "")
  }

  it("takes two thousand sets of headers", () =>
    withSeed(async (random) => {
      const tag = () => ({ name: `fuzz ${++named}`, color: "#123456" })
      const shapes: ReadonlyArray<() => Omit<Request, "said"> & { readonly json?: unknown }> = [
        () => ({ method: "POST", path: "/api/v1/tags", json: tag() }),
        () => ({ method: "PATCH", path: `/api/v1/tags/${ids.tag}`, json: { color: `#${text(random, hex, 6, 6)}` } }),
        () => ({ method: "GET", path: "/api/v1/tags?limit=1" }),
        () => ({ method: "GET", path: "/nope" })
      ]
      const requests = Array.from({ length: 2_000 }, (): Request => {
        const { json, method, path } = random.one([shapes[0]!, ...shapes])()
        return { method, path, said: { headers: anyHeaders(random), ...(json === undefined ? {} : { json }) } }
      })
      const statuses = await send(requests)
      // As many as would be with no header at all would be a test of nothing.
      for (const status of [200, 201, 400, 404, 412]) assert.isAbove(statuses.get(status) ?? 0, 0, `no ${status}`)
      assert.isAbove(await rowsAreSound(), 500)
      logIsSound()
    }))

  it("takes a thousand bodies", () =>
    withSeed(async (random) => {
      const places: ReadonlyArray<
        () => readonly [method: string, path: string, good: Readonly<Record<string, unknown>>]
      > = [
        () => ["POST", "/api/v1/tags", { name: `fuzz ${++named}`, color: "#123456" }],
        () => ["POST", "/api/v1/libraries", { name: `fuzz ${++named}` }],
        () => ["POST", "/api/v1/blocks", { library_id: ids.library, title: "t", body: "b", tag_ids: [ids.tag] }],
        () => ["PATCH", `/api/v1/tags/${ids.tag}`, { color: "#123456" }],
        () => ["POST", "/api/v1/outbox/replay", { projection: "search", status: "dead" }],
        () => ["POST", "/api/v1/outbox/realtime/pause", { reason: "because" }]
      ]
      const requests = Array.from({ length: 1_000 }, (): Request => {
        const [method, path, good] = random.one(places)()
        const changed = Object.fromEntries(
          Object.entries(good).map(([key, value]) => [key, random.chance(0.3) ? anyJson(random, 4) : value])
        )
        const body = JSON.stringify(
          random.one([anyJson(random, 5), { ...changed, ...anyObject(random, 3) }, changed, changed])
        )
        if (random.chance(0.8)) return { method, path, said: { body } }
        const bytes = Buffer.from(body)
        for (let at = 0; at < random.int(1, 4); at++) bytes[random.int(0, bytes.length - 1)] = random.int(0, 255)
        return { method, path, said: { body: bytes, chunked: random.chance(0.5) } }
      })
      const statuses = await send(requests, (request, answer) => {
        isSound(request, answer)
        if (answer.status !== 201) return
        // What was taken is what was sent, but for the spaces around it.
        const sent = JSON.parse(Buffer.from(request.said.body as string).toString("utf8"))
        for (const field of ["name", "title"]) {
          if (field in sent) assert.strictEqual(answer.body[field], sent[field].trim(), answer.text)
        }
      })
      for (const status of [201, 202, 400]) assert.isAbove(statuses.get(status) ?? 0, 0, `no ${status}`)
      await rowsAreSound()
      logIsSound()
    }))

  it("takes a thousand addresses", () =>
    withSeed(async (random) => {
      const parameters = [
        "limit",
        "cursor",
        "q",
        "kind",
        "library_id",
        "tag",
        "entity_type",
        "entity_id",
        "projection",
        "status",
        "trace_id"
      ]
      const values = [
        "",
        "1",
        "-1",
        "a",
        "tag",
        "search",
        "dead",
        "%00",
        "%ff",
        "%ed%a0%80",
        "%",
        "+",
        "%22",
        "%22a",
        "-a",
        "*",
        ":*",
        "a&b",
        "%5c",
        "\\'",
        "%F0%9F%A7%B5",
        "!",
        "(",
        "%E2%80%A8",
        "a%20b",
        "01890000-0000-7000-8000-000000000000",
        "f".repeat(32),
        "%3Cb%3E"
      ]
      const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
      const cursors = () =>
        encoded(random.one([
          anyJson(random, 3),
          {
            at: random.one([0, -1e15, 9e15, 1.5, "x"]),
            seq: random.int(-1, 9),
            projection: "search",
            id: random.int(-1, 9)
          },
          { score: random.one([1, -1, 1e308, "x"]), id: ids.tag }
        ]))
      const paths = [
        "/api/v1/search",
        "/api/v1/search",
        "/api/v1/chronicle",
        "/api/v1/outbox/events",
        "/api/v1/tags",
        "/api/v1/blocks"
      ]
      const query = () =>
        random.many(0, 5, () =>
          `${random.one(parameters)}=${
            random.chance(0.1) ? cursors() : random.many(1, 3, () =>
              random.one(values)).join("")
          }`).join("&")
      const segments = [
        "api",
        "v1",
        "tags",
        "outbox",
        "events",
        "search",
        "replay",
        "health",
        "",
        ".",
        "..",
        "%2f",
        "%00",
        "%2e%2e",
        "%zz",
        "%",
        ";",
        "*",
        ":id",
        "a".repeat(300)
      ]
      const address = () =>
        random.chance(0.7)
          ? `${random.one(paths)}?${random.chance(0.5) ? "q=a&" : ""}${query()}`
          : `/${
            random.many(1, 7, () => random.one(segments)).join("/")
          }?${query()}`
      const requests = Array.from({ length: 1_000 }, (): Request => ({
        method: random.one(["GET", "GET", "GET", "HEAD", "DELETE", "POST"]),
        path: address(),
        said: {}
      }))
      const statuses = await send(requests)
      for (const status of [200, 400, 404, 405]) assert.isAbove(statuses.get(status) ?? 0, 0, `no ${status}`)
      logIsSound()
    }))
})
