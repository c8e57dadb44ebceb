/** S3-55…57: what observes may throw at every single call, and no answer and no row is another. */
import { assert, describe, it } from "@effect/vitest"
import { fileURLToPath, pathToFileURL } from "node:url"
import { beforeAll } from "vitest"
import { reservePorts } from "../../infra/servers/system.js"
import { type Caller, callerOf, type Said } from "../support/HttpCall.ts"
import { type OwnDatabase, ownDatabase } from "../support/OwnDatabase.ts"
import { startProgram, until } from "../support/Programs.ts"
import { parseMetrics } from "../support/Prometheus.ts"
import { programsEnv } from "../support/RunningApi.ts"

const fixture = pathToFileURL(fileURLToPath(new URL("fixtures/throwing.js", import.meta.url))).href

/** What differs between two runs although nothing differs: ids are told by when they first came, times not at all. */
const normalized = () => {
  const ids = new Map<string, string>()
  const idOf = (id: string) => ids.get(id) ?? ids.set(id, `id ${ids.size}`).get(id)!
  return (text: string) =>
    text.replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, idOf)
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "a time")
      .replaceAll(/,"trace_id":"[0-9a-f]{32}"/g, "")
      .replaceAll(/"next_cursor":"[^"]+"/g, "\"next_cursor\":\"…\"")
}

const rowsOf = async ({ query }: OwnDatabase, same: (text: string) => string) => {
  const statements = [
    "select name, color, version from tags order by name",
    "select name, version from libraries order by name",
    "select title, body, version from blocks order by title",
    "select entity_type, entity_version, op, status, attempts, request_id from search_outbox_events order by id",
    "select entity_type, entity_version, op, status, attempts, request_id from chronicle_outbox_events order by id",
    "select entity_type, version, op, actor, changes::text, request_id from chronicle_entries order by 1, 2",
    "select kind, version, deleted, title, body from search_documents order by kind, title",
    "select projection, result, outcome, error_type, attempt from outbox_attempts order by projection, event_id"
  ]
  const rows: Array<string> = []
  for (const statement of statements) rows.push(same(JSON.stringify(await query(statement))))
  return rows
}

/** Every kind of answer and of row that there is. */
const talk = async (call: Caller, same: (text: string) => string) => {
  const answers: Array<string> = []
  let last: any
  let asked = 0
  const say = async (method: string, path: string, said: Said = {}) => {
    const answer = await call(method, path, { ...said, headers: { "x-request-id": `r-${++asked}`, ...said.headers } })
    last = answer.body
    const { etag, location, "preference-applied": applied, "x-request-id": id, "x-search-visible": seen } =
      answer.headers
    answers.push(
      same(JSON.stringify([method, path, answer.status, same(answer.text), { etag, location, applied, id, seen }]))
    )
  }
  await say("POST", "/api/v1/tags", { json: { name: "red", color: "#FF0000" } })
  const tag = last.id
  await say("POST", "/api/v1/tags", { json: { name: "red", color: "#FF0000" } })
  await say("POST", "/api/v1/libraries", { json: { name: "lines" } })
  const library = last.id
  const block = { library_id: library, title: "crossed", body: "never", tag_ids: [tag] }
  await say("POST", "/api/v1/blocks", { json: block, headers: { prefer: "wait=25", "idempotency-key": "once" } })
  const id = last.id
  await say("PATCH", `/api/v1/blocks/${id}`, { json: { title: "kept" }, headers: { prefer: "wait=25" } })
  await say("PATCH", `/api/v1/blocks/${id}`, { json: { title: "lost" }, headers: { "if-match": "\"1\"" } })
  await say("GET", `/api/v1/blocks/${id}`)
  await say("GET", "/api/v1/blocks?limit=1")
  await say("GET", "/api/v1/search?q=kept")
  await say("POST", "/api/v1/blocks", { json: { ...block, tag_ids: [crypto.randomUUID()] } })
  await say("POST", "/api/v1/tags", { json: { name: 1 } })
  await say("POST", "/api/v1/tags", { body: "{", headers: { traceparent: "garbage" } })
  await say("GET", "/api/v1/tags/nothing")
  await say("GET", "/nope")
  await say("PUT", "/api/v1/tags")
  await say("DELETE", `/api/v1/libraries/${library}`)
  await say("DELETE", `/api/v1/blocks/${id}`, { headers: { prefer: "wait=25" } })
  await say("GET", `/api/v1/search?q=kept`)
  return answers
}

interface Run {
  readonly answers: ReadonlyArray<string>
  readonly rows: ReadonlyArray<string>
  readonly exits: ReadonlyArray<number | null>
  readonly failures: number
  readonly ready: number
}

const run = async (broken: string, more: Readonly<Record<string, string>> = {}): Promise<Run> => {
  const [database, { health, metrics, port }] = [
    await ownDatabase(),
    await reservePorts({ port: 0, metrics: 0, health: 0 })
  ]
  const env = {
    ...programsEnv(database),
    OUTBOX_POLL_INTERVAL: "50ms",
    WORDLOOM_HTTP_PORT: String(port),
    OUTBOX_METRICS_PORT: String(metrics),
    OUTBOX_HTTP_PORT: String(health),
    WORDLOOM_TRACING: "local",
    WORDLOOM_LOG_LEVEL: "debug",
    WORDLOOM_TEST_BROKEN: broken,
    NODE_OPTIONS: `--import ${fixture}`,
    ...more
  }
  const [api, worker] = [startProgram("api", env), startProgram("worker", env)]
  try {
    const [call, probe] = [callerOf(`http://127.0.0.1:${port}`), callerOf(`http://127.0.0.1:${health}`)]
    const ready = (of: Caller) => async () => (await of("GET", "/health/ready")).status === 200
    await until("the API", ready(call))
    await until("the worker", ready(probe))
    const same = normalized()
    const answers = await talk(call, same)
    await until("every row to be told", async () => {
      const waiting = await database.query(
        `select from search_outbox_events where status <> 'done'
          union all select from chronicle_outbox_events where status <> 'done'`
      )
      return waiting.length === 0
    })
    const scrape = await call("GET", "/metrics")
    const failures = scrape.status === 200
      ? parseMetrics(scrape.text).get("wordloom_observability_errors_total")?.samples[0]?.value ?? Number.NaN
      : 0
    return {
      answers,
      rows: await rowsOf(database, same),
      failures,
      ready: (await probe("GET", "/health/ready")).status,
      exits: await Promise.all([api.stop(), worker.stop()])
    }
  } finally {
    await Promise.all([api.stop("SIGKILL"), worker.stop("SIGKILL")])
    await database.drop()
  }
}

describe("observing", () => {
  let whole: Run
  beforeAll(async () => {
    whole = await run("")
  })

  it("is counted as whole where nothing is broken", () => {
    assert.strictEqual(whole.failures, 0)
    assert.strictEqual(whole.answers.length, 18)
    assert.deepStrictEqual(whole.exits, [0, 0])
  })

  for (const broken of ["metrics", "tracer", "spans", "logger", "metrics,tracer,spans,logger"]) {
    it(`may throw at every call, and changes no answer, no row and no end: ${broken}`, async () => {
      const { answers, exits, failures, ready, rows } = await run(broken)
      assert.deepStrictEqual(answers, whole.answers)
      assert.deepStrictEqual(rows, whole.rows)
      assert.deepStrictEqual(exits, [0, 0])
      assert.strictEqual(ready, 200)
      assert.isAbove(failures, 0)
    })
  }

  it("may be switched off, and changes no answer and no row either", async () => {
    const { answers, rows } = await run("", { WORDLOOM_TRACING: "off", METRICS_ENABLED: "false" })
    assert.deepStrictEqual(answers, whole.answers)
    assert.deepStrictEqual(rows, whole.rows)
  })
})
