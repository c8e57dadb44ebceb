/** A search through the API and two query processes, as one trace; and what a caller hears when they are away. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { start } from "../../infra/servers.js"
import { fileOf, wordloom } from "../cli/Commands.ts"
import { freePort } from "../support/FreePort.ts"
import { callerOf } from "../support/HttpCall.ts"
import { noNats } from "../support/NatsServer.ts"
import { ownDatabase } from "../support/OwnDatabase.ts"
import { type Program, startProgram, until } from "../support/Programs.ts"
import { created, isProblem, listening, logLines, newLibrary, programsEnv } from "../support/RunningApi.ts"

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
const headers = {
  "x-request-id": "r-1",
  traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
  tracestate: "vendor=1"
}

const linesOf = (program: Program) => logLines(program).filter((line) => line["trace_id"] === traceId)

/** What `wordloom trace from-logs` makes of what programs printed. */
const treeOf = (lines: string) =>
  Effect.gen(function*() {
    const path = yield* fileOf([lines])
    const { code, err, out } = yield* wordloom(["trace", "from-logs", path, "--request-id", "r-1", "--json"])
    assert.deepStrictEqual({ code, err }, { code: 0, err: "" })
    const [trace] = JSON.parse(out).traces
    assert.strictEqual(trace.trace_id, traceId)
    const rows: ReadonlyArray<Record<string, any>> = trace.tree
    return {
      sentence: String(trace.sentence),
      tree: rows.map(({ depth, gap, name, service, span_id: id }) =>
        `${"  ".repeat(depth)}${gap === true ? `… ${id}` : `${name} (${service})`}`
      )
    }
  }).pipe(Effect.scoped, Effect.runPromise)

const wires = ["http", "tcp", ...(noNats === undefined ? ["nats"] : [])]
if (noNats !== undefined) console.warn(`The request plane is not tried over NATS: ${noNats}`)

describe("the request plane", () => {
  for (const wire of wires) {
    it(`serves a search from two processes over ${wire}, told by the log lines alone`, async () => {
      const database = await ownDatabase()
      const nats = wire === "nats" ? await start("nats") : undefined
      const [recall, hydrate] = [await freePort(), await freePort()]
      const env = {
        ...programsEnv(database),
        DYN_LOGGING_JSONL: "1",
        OTEL_EXPORT_ENABLED: "0",
        WORDLOOM_REQUEST_PLANE: wire,
        WORDLOOM_QUERY_RECALL: `127.0.0.1:${recall}`,
        WORDLOOM_QUERY_HYDRATE: `127.0.0.1:${hydrate}`,
        WORDLOOM_QUERY_HTTP_PORT: "0",
        ...(nats === undefined ? {} : { NATS_URL: nats.url })
      }
      const api = startProgram("api", env)
      const worker = startProgram("worker", env)
      const queries = [recall, hydrate].map((port) =>
        startProgram("query", { ...env, WORDLOOM_QUERY_PORT: String(port) })
      )
      try {
        const call = callerOf(await listening(api))
        for (const query of queries) await query.printed(/serving stages/)
        const library = await newLibrary(call)
        await created(call, "blocks", { library_id: library["id"], title: "spiral", body: "a spiral galaxy" })
        await until("the block in the search", async () => {
          const { body, status } = await call("GET", "/api/v1/search?q=spiral")
          return status === 200 && body.items.length === 1
        })
        assert.strictEqual((await call("GET", "/api/v1/search?q=spiral", { headers })).status, 200)
        const request = await until(
          "the request's lines",
          () => linesOf(api).find(({ message }) => String(message).startsWith("GET /api/v1/search 200"))
        )
        const front = linesOf(api).find(({ parent_id, span }) =>
          span === "http-request" && parent_id === request["span_id"]
        )!
        const stages = await until("both stages' lines", () => {
          const found = queries.flatMap(linesOf).filter((line) => line["parent_id"] === front["span_id"])
          return found.length === 2 ? found : undefined
        })
        assert.sameMembers(stages.map(({ stage }) => stage), ["recall", "hydrate"])
        for (const line of [front, ...stages]) {
          assert.deepInclude(line, { x_request_id: "r-1", tracestate: "vendor=1" })
          assert.isAbove(Number(line["busy_ns"]), 0)
          assert.isAbove(Number(line["idle_ns"]), 0)
        }
        const told = await treeOf([api, ...queries].map((program) => program.output()).join(""))
        assert.deepStrictEqual(told.tree, [
          "… 00f067aa0ba902b7",
          "  GET /api/v1/search 200 (wordloom-api)",
          "    http-request (wordloom-api)",
          "      handle_payload recall (wordloom-query)",
          "      handle_payload hydrate (wordloom-query)"
        ])
        assert.match(told.sentence, /^http-request \(wordloom-api\) waited .+ mostly w(ait|ork)ing/)
        assert.deepStrictEqual(await Promise.all(queries.map((query) => query.stop())), [0, 0])
        isProblem(await call("GET", "/api/v1/search?q=spiral"), 503)
      } finally {
        await Promise.all([api, worker, ...queries].map((program) => program.stop("SIGKILL")))
        await nats?.stop()
        await database.drop()
      }
    })
  }

  it.skipIf(noNats !== undefined)("waits for a NATS that is away, says so, and serves when it has come", async () => {
    const [database, nats, port] = [await ownDatabase(), await start("nats"), await freePort()]
    await nats.crash()
    const env = {
      ...programsEnv(database),
      NATS_URL: nats.url,
      WORDLOOM_REQUEST_PLANE: "nats",
      WORDLOOM_QUERY_HTTP_PORT: String(port)
    }
    const [api, query] = [startProgram("api", env), startProgram("query", env)]
    try {
      const call = callerOf(await listening(api))
      const readiness = async () =>
        Promise.all([call, callerOf(`http://127.0.0.1:${port}`)].map(async (ask) => {
          const { body, status } = await ask("GET", "/health/ready")
          const { latency_ms: _latency, ...nats } = body.checks.nats
          return [status, nats]
        }))
      const away = { status: "fail", message: "no answer" }
      assert.deepStrictEqual(await until("both to be up", readiness), [[503, away], [503, away]])
      const refused = await call("GET", "/api/v1/search?q=spiral")
      isProblem(refused, 503)
      assert.strictEqual(refused.body.detail, "the recall stage of the search is unreachable")
      await newLibrary(call)
      await nats.again()
      await until("both to be ready", async () => (await readiness()).every(([status]) => status === 200))
      await until("an answer", async () => (await call("GET", "/api/v1/search?q=spiral")).status === 200)
      await nats.crash()
      const [degraded, gone] = await until("both to notice", async () => {
        const found = await readiness()
        return found[1]![0] === 503 ? found : undefined
      })
      assert.deepStrictEqual(degraded, [200, {
        status: "pass",
        message: "degraded: no answer, so searches are refused"
      }])
      assert.deepStrictEqual(gone, [503, away])
      isProblem(await call("GET", "/api/v1/search?q=spiral"), 503)
      assert.deepStrictEqual(await Promise.all([api.stop(), query.stop()]), [0, 0])
    } finally {
      await Promise.all([api, query].map((program) => program.stop("SIGKILL")))
      await nats.stop()
      await database.drop()
    }
  })

  it("is needed by a query process", async () => {
    const query = startProgram("query", { WORDLOOM_REQUEST_PLANE: "inproc" })
    await query.ended
    assert.strictEqual(query.process.exitCode, 78)
    assert.match(
      query.errors(),
      /WORDLOOM_REQUEST_PLANE=inproc is not allowed: a query process serves http, nats or tcp/
    )
  })
})
