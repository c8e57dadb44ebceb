/** Contract §7: secrets never appear in logs, spans, metrics, answers or errors, on the ways that go well and on those that do not. */
import { assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { callerOf } from "../support/HttpCall.ts"
import { otlpReceiver } from "../support/OtlpReceiver.ts"
import { ownDatabase } from "../support/OwnDatabase.ts"
import { startProgram, until } from "../support/Programs.ts"
import { listening, newLibrary, newTag, programsEnv } from "../support/RunningApi.ts"

const marked = (what: string) => `sEcReT-${what}-7f3a91`

/** An engine that refuses everything, and says back what it was asked with, as careless ones do. */
const echoingEngine = async () => {
  const asked: Array<string> = []
  const server = createServer((request, response) => {
    const said = JSON.stringify(request.headers)
    asked.push(said)
    response.writeHead(401, { "content-type": "application/json", "x-elastic-product": "Elasticsearch" })
    response.end(JSON.stringify({ error: { type: "security_exception", reason: `refused: '${said}'` }, status: 401 }))
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () => asked,
    stop: () =>
      new Promise((done) => {
        server.close(done)
        server.closeAllConnections()
      })
  }
}

const textOf = (value: unknown) =>
  JSON.stringify(value, (_key, one: unknown) => typeof one === "bigint" ? String(one) : one)

const leaks = (where: string, text: string) =>
  [...text.matchAll(/sEcReT-\w+/g)].map(([found]) => `${where}: ${found}: ${text.slice(0, 200)}`)

describe("secrets", () => {
  it("are in no log line, span, metric, answer, row or error", async () => {
    const [database, engine, collector] = [await ownDatabase(), await echoingEngine(), await otlpReceiver()]
    const role = `role_${crypto.randomUUID().slice(0, 8)}`
    await database.query(`create role ${role} login superuser password '${marked("database")}'`)
    const url = new URL(database.url)
    url.username = role
    url.password = marked("database")
    const env = {
      ...programsEnv({ url: url.href }),
      ELASTIC_URL: engine.url,
      ELASTIC_API_KEY: marked("elastic"),
      WORDLOOM_LOG_LEVEL: "debug",
      WORDLOOM_TRACING_ENABLED: "1",
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: "50",
      OUTBOX_POLL_INTERVAL: "50ms"
    }
    const [api, worker] = [startProgram("api", env), startProgram("worker", env)]
    const heard: Array<readonly [string, string]> = []
    try {
      const call = callerOf(await listening(api))
      const headers = {
        authorization: `Bearer ${marked("bearer")}`,
        cookie: `session=${marked("cookie")}`,
        "x-wordloom-debug": marked("debug"),
        baggage: `user=${marked("baggage")}`
      }
      await newTag(call)
      await newLibrary(call)
      for (const [method, path] of [["GET", "/api/v1/tags"], ["GET", "/nope"], ["POST", "/api/v1/tags"]] as const) {
        heard.push([`${method} ${path}`, (await call(method, path, { headers, body: "{" })).text])
      }
      for (
        const path of [
          "/api/v1/search?q=tag",
          "/metrics",
          "/health/ready",
          "/api/v1/outbox/events",
          "/api/v1/outbox/stats"
        ]
      ) {
        heard.push([path, (await call("GET", path, { headers })).text])
      }
      await until(
        "the engine to have been asked with its key",
        () => engine.asked().some((said) => said.includes(marked("elastic")))
      )
      await until("the worker to tell of it", () => /refuses everything|not be prepared/.test(worker.output()))
      const rows = await database.query("select * from search_outbox_events")
      heard.push(["rows", textOf(rows)])
      await database.query(`alter role ${role} password 'another'`)
      assert.deepStrictEqual(await Promise.all([api.stop(), worker.stop()]), [0, 0])
      // Refused by the database, and by its own settings.
      for (
        const more of [{}, { ELASTIC_URL: `ftp://x:${marked("url")}@nowhere` }, {
          DATABASE_URL: `mysql://x:${marked("url")}@y/z`
        }]
      ) {
        const refused = startProgram("api", { ...env, ...more })
        await refused.ended
        assert.notStrictEqual(refused.process.exitCode, 0)
        heard.push([`refused ${JSON.stringify(Object.keys(more))}`, refused.output() + refused.errors()])
      }
      heard.push(["spans", textOf(collector.spans)])
      for (const program of [api, worker]) heard.push(["output", program.output()], ["errors", program.errors()])
      assert.isNotEmpty(collector.spans)
      assert.deepStrictEqual(heard.flatMap(([where, text]) => leaks(where, text)), [])
    } finally {
      await Promise.all([api.stop("SIGKILL"), worker.stop("SIGKILL")])
      await Promise.all([engine.stop(), collector.stop()])
      await database.query(`reassign owned by ${role} to current_user`)
      await database.query(`drop owned by ${role}`)
      await database.query(`drop role ${role}`)
      await database.drop()
    }
  })
})
