/** A tag on thousands of blocks gets a new name, and the worker is killed on the way: with the real programs. */
import { assert, describe, it } from "@effect/vitest"
import { afterAll, beforeAll } from "vitest"
import { type Caller, callerOf } from "../support/HttpCall.ts"
import { otlpReceiver } from "../support/OtlpReceiver.ts"
import { type OwnDatabase, ownDatabase } from "../support/OwnDatabase.ts"
import { type Program, startProgram, until } from "../support/Programs.ts"
import { created, listening, newLibrary, newTag, programsEnv } from "../support/RunningApi.ts"

/** Several times what the outbox may hold because of it. */
const blocks = 8_000

describe("a new name of a tag on thousands of blocks", () => {
  let database: OwnDatabase
  let collector: Awaited<ReturnType<typeof otlpReceiver>>
  let env: Readonly<Record<string, string>>
  let api: Program
  let worker: Program
  let call: Caller
  let library: string
  let tag: string

  const startWorker = async () => {
    worker = startProgram("worker", env)
    await worker.printed(/draining/)
  }

  const shown = async () => {
    const found = await database.query(
      `select tags[1] as name, count(*)::int as count from search_documents
       where kind = 'block' and tags <> '{}' group by 1`
    )
    return Object.fromEntries(found.map(({ count, name }) => [name, count])) as Record<string, number>
  }
  const fanOut = async () => (await database.query("select blocks from fan_outs"))[0]?.["blocks"] as number | undefined

  beforeAll(async () => {
    database = await ownDatabase()
    collector = await otlpReceiver()
    env = {
      ...programsEnv(database),
      WORDLOOM_TRACING_ENABLED: "1",
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: "20",
      OTEL_BSP_MAX_QUEUE_SIZE: "200000",
      OUTBOX_BATCH_SIZE: "50",
      OUTBOX_LEASE: "2s",
      OUTBOX_POLL_INTERVAL: "50ms"
    }
    api = startProgram("api", env)
    call = callerOf(await listening(api))
    library = (await newLibrary(call))["id"]
    tag = (await newTag(call, "oldname"))["id"]
    await database.query(
      `with made as (
        insert into blocks (id, library_id, title, body, tag_ids)
        select gen_random_uuid(), $1::uuid, 'block ' || n, 'body', array[$2::uuid] from generate_series(1, $3::int) as n
        returning id
      )
      insert into outbox_search (entity_type, entity_id, entity_version, op) select 'block', id, 1, 'upsert' from made`,
      library,
      tag,
      blocks
    )
    await startWorker()
    await until("all blocks to be found by the old name", async () => (await shown())["oldname"] === blocks)
  })
  afterAll(async () => {
    await Promise.all([api.stop(), worker.stop()])
    await collector.stop()
    await database.drop()
  })

  it("reaches all of them, beside fresh writes, and whoever is killed", async () => {
    const renamed = await call("PATCH", `/api/v1/tags/${tag}`, {
      json: { name: "newname" },
      headers: { "x-request-id": "rename-1" }
    })
    assert.strictEqual(renamed.status, 200)
    await until("the first chunks", async () => (await fanOut() ?? 0) > 0)

    await created(call, "blocks", { library_id: library, title: "freshly written", body: "", tag_ids: [] })
    await until(
      "the fresh write to be found",
      async () => (await call("GET", "/api/v1/search?q=freshly")).body.items.length === 1
    )
    assert.isBelow((await fanOut())!, blocks, "which is while the new name is still on its way")

    await worker.stop("SIGKILL")
    const before = await fanOut()
    assert.isBelow(before!, blocks)
    const half = await shown()
    assert.isAbove(half["oldname"]!, 0)
    assert.isAbove(half["newname"]!, 0)

    await startWorker()
    await until("all blocks to be found by the new name", async () => (await shown())["newname"] === blocks)
    assert.deepStrictEqual(await shown(), { newname: blocks })
    assert.isUndefined(await fanOut())
    const of = async (name: string) => (await call("GET", `/api/v1/search?q=${name}&kind=block`)).body.items.length
    assert.deepStrictEqual([await of("oldname"), await of("newname") > 0], [0, true])
  })

  it("leaves rows that name the request, in traces of their own that name its span", async () => {
    const rows = await until("all rows to be done", async () => {
      const found = await database.query(
        `select status, substr(traceparent, 4, 32) as trace, count(*)::int as count from search_outbox_events
         where entity_type = 'block' and request_id = 'rename-1' group by 1, 2`
      )
      return found.every(({ status }) => status === "done") ? found : undefined
    })
    assert.strictEqual(rows.reduce((sum, { count }) => sum + count, 0), blocks)
    assert.isTrue(rows.every(({ count }) => count <= 500), "a trace has a chunk's rows and no more")
    const server = await until(
      "the request's span",
      () => collector.spans.find(({ attributes, kind }) => kind === "SERVER" && attributes["request_id"] === "rename-1")
    )
    const chunks = await until("the chunks' spans", () => {
      const found = collector.spans.filter(({ name }) => name === "outbox.fan_out")
      return found.length > 1 ? found : undefined
    })
    const traces = new Set(rows.map(({ trace }) => trace as string))
    assert.isFalse(traces.has(server.traceId))
    for (const { attributes, links, parentSpanId, service, traceId } of chunks) {
      if (attributes["batch_size"] !== 0) assert.isTrue(traces.has(traceId))
      assert.strictEqual(parentSpanId, "")
      assert.strictEqual(service, "wordloom-search-outbox-worker")
      assert.deepStrictEqual(links, [{ traceId: server.traceId, spanId: server.spanId }])
    }
  })
})
