/** Thousands of requests that nobody would write: none breaks the server, its rows or its log. */
import { assert, describe, it } from "@effect/vitest"
import { afterAll, beforeAll } from "vitest"
import type { Answer, Said } from "../support/HttpCall.ts"
import { newLibrary, newTag, logLines, type RunningApi, runningApi } from "../support/RunningApi.ts"
import { type Random, withSeed } from "../support/Seeded.ts"

interface Request {
  readonly method: string
  readonly path: string
  readonly said: Said
}

/** Requests that are sent at once. */
const together = 16

const traceparent = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]$/
const requestId = /^[A-Za-z0-9._-]{1,64}$/
const hex = "0123456789abcdef"
const printable = Array.from({ length: 95 }, (_, n) => String.fromCharCode(32 + n)).join("")
/** What HTTP allows in a field's value beside visible ASCII: tab, and bytes that mean nothing. */
const junk = `\t\u0080\u0085\u00a0\u00ad\u00df\u00e9\u00fe\u00ff${printable}`

const text = (random: Random, alphabet: string, min: number, max: number) =>
  random.many(min, max, () => alphabet[random.int(0, alphabet.length - 1)]).join("")

/** A length from nothing to 8 KB, short ones more often. */
const junkText = (random: Random) => {
  const max = random.one([0, 1, 8, 60, 60, 300, 300, 1_000, 8_192])
  return text(random, random.one([junk, printable, hex, ",=;- \t"]), 0, max)
}

/** One character is changed, taken away or put in. */
const almost = (random: Random, value: string) => {
  const at = random.int(0, value.length)
  const [skip, put] = random.one([[1, text(random, junk, 1, 1)], [1, ""], [0, text(random, junk, 1, 3)]] as const)
  return value.slice(0, at) + put + value.slice(at + skip)
}

const goodHeaders: Readonly<Record<string, (random: Random) => string>> = {
  traceparent: (random) =>
    `${random.one(["00", "00", "00", "01", "cc", "ff"])}-${text(random, random.one([hex, "0"]), 32, 32)}-` +
    `${text(random, random.one([hex, "0"]), 16, 16)}-${text(random, hex, 2, 2)}${random.one(["", "", "", "-x"])}`,
  tracestate: (random) =>
    random.many(0, 40, () => `${text(random, `${hex}_-*/@`, 1, 20)}=${text(random, printable, 0, 40)}`).join(random.one([",", " , "])),
  b3: (random) => `${text(random, hex, 32, 32)}-${text(random, hex, 16, 16)}-1`,
  baggage: (random) => random.many(1, 5, () => `${text(random, hex, 1, 8)}=${text(random, printable, 0, 20)}`).join(","),
  "x-request-id": (random) => text(random, `${hex}ABC._-`, 1, 64),
  "x-dynamo-request-id": () => crypto.randomUUID(),
  "idempotency-key": (random) => text(random, printable.slice(1), 1, 200),
  prefer: (random) => random.one(["wait=0", "wait=0.01", "wait=-1", "wait=abc", "wait", "respond-async", "wait=0, wait=0"]),
  "if-match": (random) => random.one(["*", "\"1\"", "\"2\"", "W/\"1\"", `"${random.int(0, 99_999)}"`]),
  "user-agent": junkText,
  accept: () => "application/json"
}

const anyHeaders = (random: Random): Record<string, string> =>
  Object.fromEntries(
    Object.entries(goodHeaders).filter(() => random.chance(0.5)).map(([name, good]) => {
      const value = good(random)
      // HTTP takes no space at either end of a value for a part of it.
      return [name, random.one([value, value, almost(random, value), junkText(random)])]
    })
  )

const strings = ["", " ", "a", "null", "\u0000", "\ud800", "\udfff\ud800", "\u2028", "\u202e", "\u001b[31m", "\r\n{\"level\":\"fake\"}", "🧵", "é",
  "e\u0301", "%s%n", "${x}", "'; --", "<b>", "__proto__", "#1E90FF", "01890000-0000-7000-8000-000000000000", "x".repeat(201), "noop"]
const fields = ["name", "color", "title", "body", "library_id", "tag_ids", "id", "version", "projection", "status", "error_type", "after",
  "before", "__proto__", "constructor", "toString", "length", "", "\u0000", "𝒳"]

const anyJson = (random: Random, depth: number): unknown => {
  const kind = random.int(0, depth > 0 ? 7 : 5)
  switch (kind) {
    case 0:
      return random.one(strings)
    case 1:
      return text(random, `${printable}äßπ🧵\n\u0000\ud800`, 0, random.one([5, 50, 600]))
    case 2:
      return random.one([0, -0, 1, -1, 1.5, 1e308, 2 ** 53, -(2 ** 31), 1e-7])
    case 3:
      return random.one([true, false, null])
    case 4:
      return random.one(["2026-01-31T12:00:00Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "2026-02-30T00:00:00+14:00"])
    case 5:
      return random.one(["search", "chronicle", "dead", "done"])
    case 6:
      return random.many(0, 5, () => anyJson(random, depth - 1))
    default:
      return anyObject(random, depth - 1)
  }
}

const anyObject = (random: Random, depth: number): Record<string, unknown> => {
  const made: Record<string, unknown> = Object.create(null)
  for (const key of random.many(0, 6, () => random.one(fields))) made[key] = anyJson(random, depth)
  return made
}

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
    const context = () => `${request.method} ${request.path} ${JSON.stringify(request.said)}: ${answer.status} ${answer.text}`
    if (answer.status >= 500 || answer.status < 200) throw new Error(`it broke: ${context()}`)
    if (!requestId.test(String(answer.headers["x-request-id"]))) throw new Error(`no request id: ${context()}`)
    const trace = answer.headers["traceparent"]
    if (trace !== undefined && !traceparent.test(String(trace))) throw new Error(`a bad traceparent ${String(trace)}: ${context()}`)
    if (answer.status >= 400 && answer.headers["content-type"] !== "application/problem+json") {
      throw new Error(`not a problem: ${context()}`)
    }
  }

  const send = async (requests: ReadonlyArray<Request>, check: (request: Request, answer: Answer) => void = isSound) => {
    const statuses = new Map<number, number>()
    for (let at = 0; at < requests.length; at += together) {
      await Promise.all(requests.slice(at, at + together).map(async (request) => {
        const answer = await running.call(request.method, request.path, request.said)
        check(request, answer)
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
      }))
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
      const places: ReadonlyArray<() => readonly [method: string, path: string, good: Readonly<Record<string, unknown>>]> = [
        () => ["POST", "/api/v1/tags", { name: `fuzz ${++named}`, color: "#123456" }],
        () => ["POST", "/api/v1/libraries", { name: `fuzz ${++named}` }],
        () => ["POST", "/api/v1/blocks", { library_id: ids.library, title: "t", body: "b", tag_ids: [ids.tag] }],
        () => ["PATCH", `/api/v1/tags/${ids.tag}`, { color: "#123456" }],
        () => ["POST", "/api/v1/outbox/replay", { projection: "search", status: "dead" }]
      ]
      const requests = Array.from({ length: 1_000 }, (): Request => {
        const [method, path, good] = random.one(places)()
        const changed = Object.fromEntries(
          Object.entries(good).map(([key, value]) => [key, random.chance(0.3) ? anyJson(random, 4) : value])
        )
        const body = JSON.stringify(random.one([anyJson(random, 5), { ...changed, ...anyObject(random, 3) }, changed, changed]))
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
      const parameters = ["limit", "cursor", "q", "kind", "library_id", "tag", "entity_type", "entity_id", "projection", "status", "trace_id"]
      const values = ["", "1", "-1", "a", "tag", "search", "dead", "%00", "%ff", "%ed%a0%80", "%", "+", "%22", "%22a", "-a", "*", ":*", "a&b", "%5c", "\\'",
        "%F0%9F%A7%B5", "!", "(", "%E2%80%A8", "a%20b", "01890000-0000-7000-8000-000000000000", "f".repeat(32), "%3Cb%3E"]
      const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
      const cursors = () =>
        encoded(random.one([
          anyJson(random, 3),
          { at: random.one([0, -1e15, 9e15, 1.5, "x"]), seq: random.int(-1, 9), projection: "search", id: random.int(-1, 9) },
          { score: random.one([1, -1, 1e308, "x"]), id: ids.tag }
        ]))
      const paths = ["/api/v1/search", "/api/v1/search", "/api/v1/chronicle", "/api/v1/outbox/events", "/api/v1/tags", "/api/v1/blocks"]
      const query = () =>
        random.many(0, 5, () =>
          `${random.one(parameters)}=${random.chance(0.1) ? cursors() : random.many(1, 3, () => random.one(values)).join("")}`).join("&")
      const segments = ["api", "v1", "tags", "outbox", "events", "search", "replay", "health", "", ".", "..", "%2f", "%00", "%2e%2e", "%zz", "%", ";", "*", ":id", "a".repeat(300)]
      const address = () =>
        random.chance(0.7)
          ? `${random.one(paths)}?${random.chance(0.5) ? "q=a&" : ""}${query()}`
          : `/${random.many(1, 7, () => random.one(segments)).join("/")}?${query()}`
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
