/** Ids that travel with a request: what is taken from the caller, what is made anew, and what comes back. */
import { assert, describe, it } from "@effect/vitest"
import { until } from "../support/Programs.ts"
import { apiForAll, fresh, isProblem, logLines, newTag } from "../support/RunningApi.ts"

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
const parent = `00-${traceId}-00f067aa0ba902b7-01`

describe("request context", () => {
  const running = apiForAll({ env: { WORDLOOM_TRACING: "local", WORDLOOM_TRACE_TRUST: "trust" } })
  const { call } = running

  const create = async (headers: Readonly<Record<string, string | ReadonlyArray<string>>>) => {
    const answer = await call("POST", "/api/v1/tags", { headers, json: { name: fresh("context"), color: "#123456" } })
    assert.strictEqual(answer.status, 201, answer.text)
    const rows = await running.database.query(
      `select traceparent, tracestate, trace_id, request_id from search_outbox_events where entity_id = $1
       union all
       select traceparent, tracestate, trace_id, request_id from chronicle_outbox_events where entity_id = $1`,
      answer.body.id
    )
    assert.strictEqual(rows.length, 2)
    return { answer, rows }
  }

  describe("x-request-id", () => {
    for (const given of ["a", "A-1_b.c", "x".repeat(64), "-", "..", "0"]) {
      it(`gives ${given.slice(0, 20)} back, and keeps it with the rows`, async () => {
        const { answer, rows } = await create({ "x-request-id": given })
        assert.strictEqual(answer.headers["x-request-id"], given)
        for (const { request_id } of rows) assert.strictEqual(request_id, given)
      })
    }

    for (
      const given of [
        "",
        " ",
        "two words",
        "x".repeat(65),
        "a,b",
        "ä",
        "a\tb",
        "a/b",
        "<b>",
        "x".repeat(8_000),
        "é\u00ff"
      ]
    ) {
      it(`makes a new one in place of ${JSON.stringify(given.slice(0, 20))}`, async () => {
        const { answer, rows } = await create({ "x-request-id": given })
        const id = answer.headers["x-request-id"] as string
        assert.match(id, uuid)
        for (const { request_id } of rows) assert.strictEqual(request_id, id)
      })
    }

    it("makes a new one for each request that has none", async () => {
      const ids = await Promise.all(
        Array.from({ length: 5 }, async () => (await call("GET", "/health")).headers["x-request-id"])
      )
      assert.strictEqual(new Set(ids).size, 5)
      for (const id of ids) assert.match(id as string, uuid)
    })

    it("makes a new one when there are two", async () => {
      const { answer } = await create({ "x-request-id": ["one", "two"] })
      assert.match(answer.headers["x-request-id"] as string, uuid)
    })

    it("takes x-dynamo-request-id when it is a UUID, and x-request-id first", async () => {
      const dynamo = "0af76519-16cd-43dd-8448-eb211c80319c"
      assert.strictEqual((await create({ "x-dynamo-request-id": dynamo })).answer.headers["x-request-id"], dynamo)
      const both = await create({ "x-dynamo-request-id": dynamo, "x-request-id": "mine" })
      assert.strictEqual(both.answer.headers["x-request-id"], "mine")
      const fallback = await create({ "x-dynamo-request-id": dynamo, "x-request-id": "not fit" })
      assert.strictEqual(fallback.answer.headers["x-request-id"], dynamo)
      const unfit = await create({ "x-dynamo-request-id": "mine" })
      assert.notStrictEqual(unfit.answer.headers["x-request-id"], "mine")
    })

    it("is on every answer, of whatever status", async () => {
      const headers = { "x-request-id": "everywhere" }
      const ways = [
        ["GET", "/"],
        ["GET", "/docs"],
        ["GET", "/openapi.json"],
        ["GET", "/health"],
        ["GET", "/health/ready"],
        ["GET", "/metrics"],
        ["GET", "/nope"],
        ["PUT", "/api/v1/tags"],
        ["GET", "/api/v1/tags/1"],
        ["HEAD", "/api/v1/tags"],
        ["GET", "/api/v1/outbox/stats"]
      ] as const
      for (const [method, path] of ways) {
        assert.strictEqual((await call(method, path, { headers })).headers["x-request-id"], "everywhere", path)
      }
    })

    it("leads to the log line of the request, and to that of its failure", async () => {
      await call("GET", "/api/v1/tags?limit=1", { headers: { "x-request-id": "logged-1" } })
      const line = await until(
        "the line",
        () => logLines(running.api).find(({ request_id }) => request_id === "logged-1")
      )
      assert.deepInclude(line, {
        level: "info",
        message: "GET /api/v1/tags 200",
        "service.name": "wordloom-api",
        method: "GET",
        route: "/api/v1/tags",
        status: 200,
        x_request_id: "logged-1",
        trace_flags: "01"
      })
      assert.match(line["trace_id"], /^[0-9a-f]{32}$/)
      assert.match(line["span_id"], /^[0-9a-f]{16}$/)
      assert.isAbove(line["duration_ms"], 0)
    })
  })

  describe("traceparent", () => {
    const isFresh = ({ answer, rows }: Awaited<ReturnType<typeof create>>) => {
      const own = answer.headers["traceparent"] as string
      assert.match(own, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
      assert.notInclude(own, traceId)
      for (const row of rows) {
        assert.strictEqual(row["trace_id"], own.slice(3, 35))
        assert.isNull(row["tracestate"])
      }
    }

    it("goes on with the caller's trace, its tracestate and its flag", async () => {
      for (const flags of ["01", "00"]) {
        const { answer, rows } = await create({
          traceparent: `${parent.slice(0, -2)}${flags}`,
          tracestate: "a=1,b@c=2"
        })
        assert.match(answer.headers["traceparent"] as string, new RegExp(`^00-${traceId}-[0-9a-f]{16}-${flags}$`))
        assert.notInclude(answer.headers["traceparent"] as string, "00f067aa0ba902b7")
        const spans = new Set(rows.map(({ traceparent }) => traceparent.slice(36, 52)))
        assert.strictEqual(spans.size, 2)
        for (const { traceparent, tracestate } of rows) {
          assert.match(traceparent, new RegExp(`^00-${traceId}-[0-9a-f]{16}-${flags}$`))
          assert.strictEqual(tracestate, "a=1,b@c=2")
        }
      }
    })

    it("reads a later version as far as it knows it", async () => {
      for (const later of [`cc-${parent.slice(3)}`, `01-${parent.slice(3)}-more`]) {
        const { answer } = await create({ traceparent: later })
        assert.strictEqual((answer.headers["traceparent"] as string).slice(0, 35), `00-${traceId}`)
      }
    })

    for (
      const [what, traceparent] of [
        ["version ff", `ff-${parent.slice(3)}`],
        ["upper case", parent.toUpperCase()],
        ["a zero trace id", `00-${"0".repeat(32)}-00f067aa0ba902b7-01`],
        ["a zero span id", `00-${traceId}-${"0".repeat(16)}-01`],
        ["something behind version 00", `${parent}-more`],
        ["one digit too few", parent.slice(0, -1)],
        ["one digit too many", `${parent}1`],
        ["no dashes", parent.replaceAll("-", "")],
        ["nothing", ""],
        ["noop", "00-noop-noop-01"],
        ["eight kilobytes", "0".repeat(8_000)],
        ["two of them", `${parent}, ${parent}`]
      ] as const
    ) {
      it(`begins a new trace at ${what}, and drops the tracestate`, async () => {
        isFresh(await create({ traceparent, tracestate: "a=1" }))
      })
    }

    it("begins a new trace when the header comes twice", async () => {
      isFresh(await create({ traceparent: [parent, parent.replace("4736", "4737")] }))
    })

    it("does not read B3", async () => {
      isFresh(
        await create({
          b3: `${traceId}-00f067aa0ba902b7-1`,
          "x-b3-traceid": traceId,
          "x-b3-spanid": "00f067aa0ba902b7"
        })
      )
    })

    for (
      const [what, tracestate, kept] of [
        ["two headers", ["a=1", "b=2"], "a=1,b=2"],
        ["empty members", "a=1,,b=2,", "a=1,b=2"],
        ["spaces around members", " a=1 ,\tb=2 ", "a=1,b=2"],
        ["a key twice", "a=1,a=2", "a=1"],
        ["a bad key", "A=1", null],
        ["no value", "a", null],
        ["33 members", Array.from({ length: 33 }, (_, n) => `k${n}=v`).join(","), null],
        ["a byte beyond ASCII", "a=\u00e9", null],
        [
          "600 characters in short members",
          Array.from({ length: 12 }, (_, n) => `k${n}=${"v".repeat(46)}`).join(","),
          10
        ]
      ] as const
    ) {
      it(`keeps what is valid of a tracestate with ${what}`, async () => {
        const { answer, rows } = await create({ traceparent: parent, tracestate: tracestate })
        assert.strictEqual((answer.headers["traceparent"] as string).slice(3, 35), traceId)
        for (const row of rows) {
          if (typeof kept === "number") assert.isAtMost(row["tracestate"].length, 512)
          else assert.strictEqual(row["tracestate"], kept)
        }
      })
    }

    it("is on answers of every status, and on the problem; not on probes and scrapes, which have no span", async () => {
      const headers = { traceparent: parent }
      for (
        const [method, path, status] of [["GET", "/nope", 404], ["PUT", "/api/v1/tags", 405], [
          "GET",
          "/api/v1/tags/1",
          400
        ]] as const
      ) {
        const answer = await call(method, path, { headers })
        isProblem(answer, status)
        assert.strictEqual(answer.body.trace_id, traceId)
      }
      for (const path of ["/health", "/health/live", "/health/ready", "/health/startup", "/metrics"]) {
        assert.notProperty((await call("GET", path, { headers })).headers, "traceparent", path)
      }
    })
  })

  it("gives ids of its own to each of many requests on one connection", async () => {
    const tags = await Promise.all(Array.from({ length: 20 }, () => newTag(call)))
    const rows = await running.database.query(
      `select count(distinct trace_id)::int as traces, count(distinct request_id)::int as requests
        from search_outbox_events where entity_id = any($1::uuid[])`,
      `{${tags.map(({ id }) => id).join(",")}}`
    )
    assert.deepStrictEqual(rows[0], { traces: 20, requests: 20 })
  })
})
