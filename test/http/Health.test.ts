/** The probes: their shapes to the letter, and what each of them looks at. */
import { assert, describe, it } from "@effect/vitest"
import { afterAll, beforeAll } from "vitest"
import { reservePorts } from "../../infra/servers/system.js"
import { callerOf } from "../support/HttpCall.ts"
import { type OwnDatabase, ownDatabase } from "../support/OwnDatabase.ts"
import { type Program, startProgram, until } from "../support/Programs.ts"
import { programsEnv } from "../support/RunningApi.ts"
import { tcpProxy } from "../support/TcpProxy.ts"

const utc = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?Z$/

/** The API answers them among its other routes, the worker on a port for them alone. */
describe.each(["api", "worker"] as const)("health of the %s", (name) => {
  let database: OwnDatabase
  let proxy: Awaited<ReturnType<typeof tcpProxy>>
  let program: Program
  let call: ReturnType<typeof callerOf>

  beforeAll(async () => {
    database = await ownDatabase()
    proxy = await tcpProxy(database.url)
    const { port } = await reservePorts({ port: 0 })
    program = startProgram(name, {
      ...programsEnv(proxy),
      HEALTH_CHECK_DB_TIMEOUT: "300ms",
      WORDLOOM_HTTP_PORT: String(port),
      OUTBOX_HTTP_PORT: String(port)
    })
    await program.printed(/listening|draining/)
    call = callerOf(`http://127.0.0.1:${port}`)
  })
  afterAll(async () => {
    proxy.restore()
    await program.stop()
    await proxy.stop()
    await database.drop()
  })

  const isOk = async () => {
    const { headers, status, text } = await call("GET", "/health")
    assert.strictEqual(status, 200)
    assert.strictEqual(headers["content-type"], "application/json")
    assert.strictEqual(text, `{"status":"ok"}`)
  }

  const isLive = async () => {
    const { body, status } = await call("GET", "/health/live")
    assert.strictEqual(status, 200)
    assert.deepStrictEqual(Object.keys(body), ["status", "timestamp"])
    assert.strictEqual(body.status, "healthy")
    assert.match(body.timestamp, utc)
  }

  const ready = () => call("GET", "/health/ready")

  it("answers /health with exactly what it always answered", isOk)

  it("answers /health/live with its status and the time", isLive)

  it(`${name === "worker" ? "answers" : "does not have"} the short names that workers' probes may ask by`, async () => {
    const live = await call("GET", "/healthz")
    if (name === "api") return assert.deepStrictEqual([live.status, (await call("GET", "/readyz")).status], [404, 404])
    assert.deepStrictEqual([live.status, live.body.status], [200, "healthy"])
    // Its checks may be too late where the machine has much to do.
    const { body } = await until("it to be ready", async () => {
      const answer = await call("GET", "/readyz")
      return answer.status === 200 && answer
    })
    assert.deepStrictEqual(body.checks.outbox, { status: "pass" })
  })

  it("answers /health/ready with every check by name", async () => {
    const { body, headers, status } = await until("both looks to be in time", async () => {
      const answer = await ready()
      return answer.body.checks.oldest_transaction.status === "pass" && answer
    })
    assert.strictEqual(status, 200)
    assert.strictEqual(headers["content-type"], "application/json")
    assert.deepStrictEqual(Object.keys(body), ["status", "timestamp", "checks"])
    assert.strictEqual(body.status, "healthy")
    assert.match(body.timestamp, utc)
    const { ai_service, database: checked, oldest_transaction, search, vector_database } = body.checks
    for (const passed of [checked, oldest_transaction]) {
      assert.deepStrictEqual(Object.keys(passed), ["status", "latency_ms"])
      assert.strictEqual(passed.status, "pass")
      assert.isNumber(passed.latency_ms)
    }
    assert.strictEqual(body.checks.event_loop.status, "pass")
    assert.isNumber(body.checks.event_loop.latency_ms)
    assert.deepStrictEqual(body.checks.metrics, { status: "pass" })
    assert.deepStrictEqual(body.checks.outbox, name === "worker" ? { status: "pass" } : undefined)
    for (const skipped of [search, vector_database, ai_service]) {
      assert.deepStrictEqual(Object.keys(skipped), ["status", "message"])
      assert.strictEqual(skipped.status, "skip")
    }
  })

  it("answers /health/startup ready once the database is migrated, and starting while steps are missing", async () => {
    const startup = async (status: number, said: string, check: string) => {
      const answer = await call("GET", "/health/startup")
      assert.strictEqual(answer.status, status)
      assert.deepStrictEqual(Object.keys(answer.body), ["status", "timestamp", "checks"])
      assert.strictEqual(answer.body.status, said)
      assert.match(answer.body.timestamp, utc)
      assert.strictEqual(answer.body.checks.database_migration.status, check)
    }
    await startup(200, "ready", "pass")
    const last = "(select max(migration_id) from wordloom_migrations)"
    const [row] = await database.query(`delete from wordloom_migrations where migration_id = ${last} returning *`)
    await startup(503, "starting", "fail")
    await database.query(
      "insert into wordloom_migrations select * from json_populate_record(null::wordloom_migrations, $1::json)",
      JSON.stringify(row)
    )
    await startup(200, "ready", "pass")
  })

  const unhealthy = async () => {
    const began = performance.now()
    const { body, headers, status } = await ready()
    const took = performance.now() - began
    assert.strictEqual(status, 503)
    assert.strictEqual(headers["content-type"], "application/json")
    assert.strictEqual(body.status, "unhealthy")
    assert.deepStrictEqual(Object.keys(body.checks.database), ["status", "latency_ms", "message"])
    assert.strictEqual(body.checks.database.status, "fail")
    assert.strictEqual(body.checks.vector_database.status, "skip")
    assert.strictEqual(body.checks.oldest_transaction.status, "skip")
    return took
  }

  it("is alive but not ready while the database is gone, and ready when it is back", async () => {
    proxy.cut()
    await unhealthy()
    await isOk()
    await isLive()
    proxy.restore()
    await until("it to be ready again", async () => (await ready()).status === 200)
  })

  it("is alive but not ready while the database is silent, and says so in time", async () => {
    proxy.silence()
    // Ten times the timeout: a machine that is busy is not a check that hangs.
    assert.isBelow(await unhealthy(), 3_000)
    await isOk()
    await isLive()
    proxy.restore()
    await until("it to be ready again", async () => (await ready()).status === 200)
  })
})
