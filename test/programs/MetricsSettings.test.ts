/** Where a program's metrics are, what they are called, and that they can be switched off. */
import { assert, describe, it } from "@effect/vitest"
import { afterAll, beforeAll } from "vitest"
import { reservePorts } from "../../infra/servers/system.js"
import { type Answer, call } from "../support/HttpCall.ts"
import { type OwnDatabase, ownDatabase } from "../support/OwnDatabase.ts"
import { startProgram } from "../support/Programs.ts"
import { parseMetrics } from "../support/Prometheus.ts"
import { isProblem, listening, programsEnv } from "../support/RunningApi.ts"

describe("metrics settings", () => {
  let database: OwnDatabase
  beforeAll(async () => {
    database = await ownDatabase()
  })
  afterAll(() => database.drop())

  const withApi = async (env: Readonly<Record<string, string>>, test: (base: string) => Promise<void>) => {
    const program = startProgram("api", { ...programsEnv(database), ...env })
    try {
      await test(await listening(program))
      assert.strictEqual(await program.stop(), 0)
    } finally {
      await program.stop("SIGKILL")
    }
  }

  const names = ({ status, text }: Answer) => {
    assert.strictEqual(status, 200)
    return [...parseMetrics(text).keys()]
  }

  it("give every metric another first part", () =>
    withApi({ WORDLOOM_METRICS_PREFIX: "iac" }, async (base) => {
      await call("GET", `${base}/api/v1/tags`)
      const found = names(await call("GET", `${base}/metrics`))
      assert.includeMembers(found, ["iac_http_requests_total", "iac_db_queries_total"])
      assert.isTrue(found.every((name) => /^((iac|process|nodejs)_|target_info$)/.test(name)), found.join())
    }))

  it("switch metrics off, and nothing else", () =>
    withApi({ METRICS_ENABLED: "false" }, async (base) => {
      isProblem(await call("GET", `${base}/metrics`), 404)
      assert.strictEqual((await call("GET", `${base}/api/v1/tags`)).status, 200)
    }))

  it("put metrics on a port of their own", async () => {
    const { metrics } = await reservePorts({ metrics: 0 })
    await withApi({ WORDLOOM_METRICS_PORT: String(metrics) }, async (base) => {
      await call("GET", `${base}/api/v1/tags`)
      assert.include(names(await call("GET", `http://127.0.0.1:${metrics}/metrics`)), "wordloom_http_requests_total")
      assert.strictEqual((await call("GET", `http://127.0.0.1:${metrics}/api/v1/tags`)).status, 404)
    })
  })
})
