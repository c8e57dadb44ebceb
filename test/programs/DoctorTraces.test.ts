/** What doctor says of whole traces, in a real Jaeger: a hop that loses its trace, and requests that are not kept. */
import { assert, describe, it } from "@effect/vitest"
import { afterAll, beforeAll } from "vitest"
import { missing, start } from "../../infra/servers.js"
import { askDoctor, type Seen } from "../support/Doctors.ts"
import { freePort } from "../support/FreePort.ts"
import { type HopProxy, hopProxy } from "../support/HopProxy.ts"
import { callerOf } from "../support/HttpCall.ts"
import { type OwnDatabase, ownDatabase } from "../support/OwnDatabase.ts"
import { type Program, startProgram, until } from "../support/Programs.ts"
import { listening, programsEnv } from "../support/RunningApi.ts"

const lacking = missing("jaeger")
if (lacking !== undefined) console.warn(`Doctor is not asked for whole traces: ${lacking}`)

const search = "/api/v1/search?q=spiral"

describe.skipIf(lacking !== undefined)("doctor, of traces that the backend has,", () => {
  let database: OwnDatabase
  let jaeger: Awaited<ReturnType<typeof start<"jaeger">>>
  let proxy: HopProxy
  let env: Readonly<Record<string, string>>
  const programs: Array<Program> = []

  const running = async (more: Readonly<Record<string, string>> = {}) => {
    const api = startProgram("api", { ...env, ...more })
    programs.push(api)
    const base = await listening(api)
    return { api, base, call: callerOf(base) }
  }
  /** Asked until it says so, since programs export some seconds later. */
  const doctor = (base: string, what: string, isSo: (seen: Seen) => boolean) =>
    until(what, async () => {
      const seen = await askDoctor(env, "--api", base, "--traces", `${jaeger.urls.query}/api`)
      return isSo(seen) ? seen : undefined
    })

  beforeAll(async () => {
    const port = await freePort()
    ;[database, jaeger, proxy] = await Promise.all([ownDatabase(), start("jaeger"), hopProxy(port)])
    env = {
      ...programsEnv(database),
      WORDLOOM_TRACING_ENABLED: "1",
      OTEL_EXPORTER_OTLP_ENDPOINT: jaeger.urls.otlp,
      OTEL_BSP_SCHEDULE_DELAY: "50",
      WORDLOOM_REQUEST_PLANE: "http",
      WORDLOOM_QUERY_RECALL: `127.0.0.1:${proxy.port}`,
      WORDLOOM_QUERY_HYDRATE: `127.0.0.1:${proxy.port}`,
      WORDLOOM_QUERY_HTTP_PORT: "0"
    }
    const query = startProgram("query", { ...env, WORDLOOM_QUERY_PORT: String(port) })
    programs.push(query)
    await query.printed(/serving stages/)
  })
  afterAll(async () => {
    await Promise.all(programs.map((program) => program.stop()))
    await proxy.stop()
    await jaeger.stop()
    await database.drop()
  })

  it("finds no broken hop and every failed and slow request, and then the hop that loses its trace", async () => {
    const { api, base, call } = await running()
    for (const [way, status] of [["through", 200], ["slow", 200], ["refuse", 503]] as const) {
      proxy.way = way
      assert.strictEqual((await call("GET", search)).status, status, way)
    }
    const whole = await doctor(base, "whole traces", ({ of }) => of("DX-08").health === "ok")
    assert.isAtLeast(Number(whole.of("DX-08").evidence["traces"]), 3)
    const kept = whole.of("DX-22")
    assert.strictEqual(kept.health, "ok", JSON.stringify(kept))
    assert.strictEqual(kept.evidence["failed"], 1)
    assert.isAtLeast(Number(kept.evidence["slow"]), 1)

    proxy.way = "no trace"
    assert.strictEqual((await call("GET", search)).status, 200)
    const broken = await doctor(base, "a broken hop", ({ failed }) => failed.includes("DX-08"))
    const { cause, evidence, fix } = broken.of("DX-08")
    assert.match(cause, /between http-request of wordloom-api and handle_payload of wordloom-query/)
    assert.notStrictEqual(evidence["caller_trace"], evidence["callee_trace"])
    assert.match(fix!, /pass them on to wordloom-query/)
    assert.strictEqual(broken.code, 1)
    await api.stop()
  })

  it("finds failed and slow requests whose traces nobody kept", async () => {
    const { base, call } = await running({
      OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
      OTEL_TRACES_SAMPLER_ARG: "0",
      WORDLOOM_TRACE_KEEP: "none"
    })
    for (const [way, status] of [["slow", 200], ["refuse", 503]] as const) {
      proxy.way = way
      assert.strictEqual((await call("GET", search)).status, status, way)
    }
    const seen = await askDoctor(env, "--api", base, "--traces", `${jaeger.urls.query}/api`)
    const lost = seen.of("DX-22")
    assert.deepInclude(lost, {
      health: "fail",
      cause: "the API counted 1 failed requests since it began, and the backend has 0 of them"
    })
    assert.deepInclude(lost.evidence, { failed_kept: 0, slow_kept: 0 })
    assert.isAtLeast(Number(lost.evidence["slow"]), 1)
    assert.match(lost.fix!, /WORDLOOM_TRACE_KEEP/)
    assert.include(seen.failed, "DX-22")
  })
})
