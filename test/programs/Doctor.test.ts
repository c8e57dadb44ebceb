/** `wordloom doctor` against real programs: what is whole is found whole, and what a test breaks is found broken. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import { missing, start } from "../../infra/servers.js"
import type { Trace } from "../../src/trace/Trace.ts"
import { askDoctor, type Seen } from "../support/Doctors.ts"
import { callerOf } from "../support/HttpCall.ts"
import { newNode, startProgram, until } from "../support/Programs.ts"
import { listening, newTag, programsEnv, type RunningApi, runningApi } from "../support/RunningApi.ts"
import { sendTo } from "../trace/Otlp.ts"

const lacking = missing("jaeger")
if (lacking !== undefined) console.warn(`Doctor is not asked for traces: ${lacking}`)

/** A trace of the worker with another operation than its batches have. */
const otherTrace = (n: number, at: bigint): Trace => {
  const id = `${n.toString(16).padStart(2, "0")}${"a".repeat(30)}`
  return {
    id,
    spans: [{
      traceId: id,
      spanId: id.slice(0, 16),
      parentId: undefined,
      name: "outbox.housekeeping",
      service: "wordloom-search-outbox-worker",
      kind: "internal",
      start: at,
      end: at + 1_000_000n,
      failed: false,
      message: "",
      attributes: {},
      links: []
    }]
  }
}

describe("doctor", () => {
  let running: RunningApi
  let jaeger: Awaited<ReturnType<typeof start<"jaeger">>> | undefined
  let env: Readonly<Record<string, string>>
  let folder: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "wordloom-doctor-"))
    jaeger = lacking === undefined ? await start("jaeger") : undefined
    const tracing = jaeger === undefined
      ? { WORDLOOM_TRACING: "local" }
      : { WORDLOOM_TRACING_ENABLED: "1", OTEL_EXPORTER_OTLP_ENDPOINT: jaeger.urls.otlp }
    running = await runningApi({ worker: true, env: tracing })
    env = { ...programsEnv(running.database), ...tracing }
  })
  afterAll(async () => {
    await running.stop()
    await jaeger?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const query = (...said: Parameters<RunningApi["database"]["query"]>) => running.database.query(...said)
  const doctor = (more: Readonly<Record<string, string>> = {}, ...args: ReadonlyArray<string>) =>
    askDoctor({ ...env, ...more }, "--api", running.base, "--manifests", folder, ...args)

  it("finds a whole system whole, and its own span again", async () => {
    await newTag(running.call)
    await until("both rows to be done", async () => {
      const [row] = await query("select count(*)::int as n from outbox_done")
      return row!["n"] === 2
    })
    const traces = jaeger === undefined ? [] : ["--traces", `${jaeger.urls.query}/api`]
    const found = await until("the worker's spans in the backend", async () => {
      const seen = await doctor({}, ...traces)
      return jaeger === undefined || seen.of("DX-08").health === "ok" ? seen : undefined
    })
    assert.deepStrictEqual(found.failed, [], JSON.stringify(found.findings))
    assert.deepInclude(found, { code: 0, healthy: true })
    for (const id of ["DX-02", "DX-09", "DX-10", "DX-11", "DX-13", "DX-17", "DX-19"]) {
      assert.strictEqual(found.of(id).health, "ok", id)
    }
    if (jaeger === undefined) return
    assert.match(found.of("DX-01").cause, /a span was sent and found again/)
    for (const id of ["DX-03", "DX-20"]) assert.strictEqual(found.of(id).health, "ok", found.of(id).cause)
  })

  it.skipIf(lacking !== undefined)("finds a worker's traces that a list by service alone leaves out", async () => {
    const at = { traces: `${jaeger!.urls.query}/api` }
    const before = await until("a batch in the list", async () => {
      const seen = await doctor({}, "--traces", at.traces)
      return seen.of("DX-05").health === "ok" ? seen.of("DX-05") : undefined
    })
    assert.isAbove(Number(before.evidence["by_operation"]), 0)
    const now = BigInt(Date.now()) * 1_000_000n
    const others = Array.from({ length: 20 }, (_, n) => otherTrace(n, now))
    await sendTo(jaeger!.urls.otlp, others)
    await until("the others in Jaeger", async () => (await fetch(`${at.traces}/traces/${others.at(-1)!.id}`)).ok)
    const found = (await doctor({}, "--traces", at.traces)).of("DX-05")
    assert.strictEqual(found.health, "warn")
    assert.match(found.cause, /are not in the list of wordloom-search-outbox-worker alone/)
    assert.match(found.fix!, /trace verify .+--operation projection\.process_batch/)
  })

  it("finds a Tempo that is away, and says where to say that there is one", async () => {
    const away = (await doctor({}, "--tempo", "http://127.0.0.1:1/api")).of("DX-07")
    const unsaid = (await doctor()).of("DX-07")
    if (jaeger === undefined) return assert.strictEqual(away.health, "warn")
    assert.strictEqual(away.health, "fail")
    assert.match(away.cause, /a span was sent, but could not be looked for at http:\/\/127\.0\.0\.1:1\/api: \S/)
    assert.match(away.fix!, /start Tempo/)
    assert.strictEqual(unsaid.health, "skip")
    assert.match(unsaid.cause, /--tempo/)
  })

  it("finds log lines that are no JSON, and those of requests without a trace", async () => {
    const logs = async (lines: string) => {
      writeFileSync(join(folder, "all.log"), lines)
      const seen = await doctor({}, "--logs", join(folder, "all.log"))
      return seen.of("DX-06")
    }
    await until("the request's line", () => /POST .api.v1.tags 201/.test(running.api.output()))
    const whole = await logs(running.api.output())
    assert.strictEqual(whole.health, "ok", whole.cause)
    assert.isAbove(Number(whole.evidence["with_trace"]), 0)

    const untraced = startProgram("api", { ...programsEnv(running.database), WORDLOOM_TRACING: "off" })
    await callerOf(await listening(untraced))("GET", "/api/v1/tags")
    await untraced.stop()
    const without = await logs(untraced.output())
    assert.strictEqual(without.health, "fail")
    assert.match(without.cause, /lines of wordloom-api name a request, but no trace/)
    assert.match(without.fix!, /WORDLOOM_TRACING=local/)

    const pretty = startProgram("api", { ...env, WORDLOOM_LOG_FORMAT: "pretty" })
    await pretty.printed(/listening on/)
    await pretty.stop()
    const text = await logs(pretty.output())
    assert.strictEqual(text.health, "fail")
    assert.match(text.fix!, /WORDLOOM_LOG_FORMAT=json \(or DYN_LOGGING_JSONL=1\)/)

    const piped = spawnSync(
      newNode,
      ["programs/wordloom.js", "doctor", "--json", "--logs", "-", "--manifests", folder],
      {
        encoding: "utf8",
        env: { PATH: process.env["PATH"], ...env },
        input: untraced.output()
      }
    )
    const { findings } = JSON.parse(piped.stdout) as Pick<Seen, "findings">
    assert.strictEqual(findings.find(({ id }) => id === "DX-06")!.cause, without.cause, piped.stderr)

    assert.strictEqual((await logs("")).health, "skip")
    const nowhere = startProgram("wordloom", env, ["doctor", "--api", "nowhere"])
    await nowhere.ended
    assert.strictEqual(nowhere.process.exitCode, 2)
    assert.match(nowhere.errors(), /--api=nowhere is not allowed: an http:\/\/ or https:\/\/ address/)
    const absent = startProgram("wordloom", env, ["doctor", "--logs", join(folder, "absent.log")])
    await absent.ended
    assert.strictEqual(absent.process.exitCode, 2)
    assert.match(absent.errors(), /there is no such file/)
  })

  it("finds settings that let no trace arrive", async () => {
    const exporting = { WORDLOOM_TRACING: "export", OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" }
    const away = await doctor(exporting)
    assert.deepStrictEqual(away.failed, ["DX-01", "DX-07"])
    assert.strictEqual(away.code, 1)
    const grpc = await doctor({ ...exporting, OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4317" })
    assert.include(grpc.failed, "DX-04")
    // As a server for gRPC does, it begins with its settings of HTTP/2.
    const elsewhere = createServer((socket) =>
      socket.on("error", () => {}).end(Buffer.from("000000040000000000", "hex"))
    )
    await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve))
    const { port } = elsewhere.address() as AddressInfo
    const moved = await doctor({ ...exporting, OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` })
    elsewhere.close()
    assert.deepStrictEqual(moved.failed, ["DX-01", "DX-04", "DX-07"])
    assert.match(moved.of("DX-04").cause, /speaks no HTTP, as a port for gRPC does/)
    const wrong = await doctor({ ...exporting, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${running.base}/nothing` })
    assert.match(wrong.of("DX-01").cause, /refuses traces with 40\d/)
    assert.strictEqual((await doctor({ OTEL_SDK_DISABLED: "true" })).of("DX-01").cause, "tracing is off")
    assert.strictEqual((await doctor({ WORDLOOM_LOG_FORMAT: "pretty" })).of("DX-06").health, "warn")
  })

  it("finds what is wrong with rows, leases, workers, index and manifests", async () => {
    await query("insert into outbox_workers (id, projections) values ('w-killed', '{search}')")
    await query(`update outbox_lanes set token = gen_random_uuid(), worker = 'w-killed', ids = '{999999}',
      lease_until = clock_timestamp() + interval '1 hour' where projection = 'realtime' and lane = 1`)
    await query(`update outbox_lanes set token = gen_random_uuid(), worker = 'w-over', ids = '{999998}',
      lease_until = clock_timestamp() - interval '1 minute' where projection = 'realtime' and lane = 2`)
    await query(`insert into outbox_past_attempts (projection, event_id, attempt, worker, claimed_at, result, outcome,
      error_type) select 'search', 7, n, 'w-killed', clock_timestamp(), 'failed', 'lease_lost', 'lease_expired'
      from generate_series(1, 2) as n
      union all select 'search', 8, 1, 'w-killed', clock_timestamp(), 'failed', 'retry_scheduled', 'es_429'`)
    await query(
      `insert into outbox_dead (projection, id, attempts, error_type, entity_type, entity_id, entity_version, op)
      values ('search', 12, 3, 'es_mapping', 'tag', gen_random_uuid(), 1, 'upsert')`
    )
    await query(`insert into outbox_realtime (entity_type, entity_id, entity_version, op, created_at)
      values ('tag', gen_random_uuid(), 1, 'upsert', clock_timestamp() - interval '20 seconds')`)
    await query(`insert into outbox_done_search (projection, id, outcome, claimed_at, entity_type, entity_id,
      entity_version, op, request_id) values ('search', 900, 'acked', clock_timestamp(), 'tag', gen_random_uuid(), 1,
      'upsert', 'r-1')`)
    await query("update search_reconciles set missing = 3")
    mkdirSync(join(folder, "k8s"))
    writeFileSync(
      join(folder, "k8s", "api.yaml"),
      "livenessProbe:\n  httpGet:\n    path: /health/ready\n    port: 8000\n"
    )
    const found = await doctor()
    const rows = ["DX-02", "DX-10", "DX-11", "DX-12", "DX-13", "DX-14", "DX-15", "DX-16", "DX-18"]
    assert.includeMembers([...found.failed], rows, JSON.stringify(found.findings))
    assert.strictEqual(found.of("DX-13").evidence["workers"], "w-killed")
    assert.match(found.of("DX-15").cause, /the lease of w-over is over/)
    assert.match(found.of("DX-16").cause, /search\/7 was lost 2 times, the last time by w-killed/)
    assert.match(found.of("DX-11").cause, /in realtime: no worker drains it \(poll\)/)
    assert.strictEqual(found.of("DX-18").evidence["path"], "/health/ready")
  })

  it("finds an API, an engine and a database that are away, and says what it could not look at", async () => {
    const api = await askDoctor(env, "--api", "http://127.0.0.1:1", "--manifests", folder)
    assert.strictEqual(api.of("DX-17").health, "warn")
    assert.strictEqual(api.of("DX-09").health, "skip")
    const engine = await doctor({ ELASTIC_URL: "http://127.0.0.1:1" })
    assert.match(engine.of("DX-10").cause, /the search engine does not answer/)
    const database = await doctor({ DATABASE_URL: "postgresql://nobody:x@127.0.0.1:1/none" })
    assert.strictEqual(database.code, 2)
    assert.strictEqual(database.of("DX-02").health, "skip")
    assert.strictEqual(database.of("DX-17").health, "ok")
  })
})
