/** Tracing off, local, sampled, exported; and what becomes of requests when the collector is in trouble: nothing. */
import { assert, describe, it } from "@effect/vitest"
import { absentCollector, answeringCollector, type Collector, silentCollector } from "../support/Collectors.ts"
import { type Caller, callerOf } from "../support/HttpCall.ts"
import { otlpReceiver } from "../support/OtlpReceiver.ts"
import { type OwnDatabase, ownDatabase } from "../support/OwnDatabase.ts"
import { type Program, startProgram, until } from "../support/Programs.ts"
import { created, isProblem, listening, logLines, newLibrary, newTag, programsEnv } from "../support/RunningApi.ts"

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

interface Running {
  readonly api: Program
  readonly worker: Program
  readonly call: Caller
  readonly database: OwnDatabase
}

/** Both programs with these settings; stopped with code 0, or the test fails. */
const withPrograms = async (env: Readonly<Record<string, string>>, test: (running: Running) => Promise<void>) => {
  const database = await ownDatabase()
  const settings = { ...programsEnv(database), ...env }
  const [api, worker] = [startProgram("api", settings), startProgram("worker", settings)]
  try {
    const call = callerOf(await listening(api))
    await worker.printed(/draining/)
    await test({ api, worker, call, database })
    assert.deepStrictEqual(await Promise.all([api.stop(), worker.stop()]), [0, 0], api.errors() + worker.errors())
  } finally {
    await Promise.all([api.stop("SIGKILL"), worker.stop("SIGKILL")])
    await database.drop()
  }
}

const done = (call: Caller, entity: string) =>
  until("both projections", async () => {
    const { body } = await call("GET", `/api/v1/outbox/events?entity_id=${entity}&status=done`)
    return body.items.length === 2 ? body.items as ReadonlyArray<Record<string, any>> : undefined
  })

/** A write, a change, a refusal, and what became of them, as text. */
const story = async ({ call, database }: Running, headers: Readonly<Record<string, string>>) => {
  const tag = await newTag(call)
  const changed = await call("PATCH", `/api/v1/tags/${tag["id"]}`, { headers, json: { color: "#123456" } })
  assert.strictEqual(changed.status, 200)
  const refused = await call("GET", "/api/v1/tags/1", { headers })
  isProblem(refused, 400, ["id"])
  const library = await newLibrary(call)
  await created(call, "blocks", { library_id: library["id"], title: "t", body: "b", tag_ids: [tag["id"]] })
  const rows = await done(call, library["id"])
  const chronicle = await call("GET", "/api/v1/chronicle")
  const stored = await database.query(
    `select row_to_json(found)::text as row from (select * from search_outbox_events union all
     select * from chronicle_outbox_events) as found union all select row_to_json(a)::text from outbox_attempts as a`
  )
  return { changed, refused, rows, chronicle, stored: stored.map(({ row }) => row as string) }
}

const hasNoIds = async (env: Readonly<Record<string, string>>) => {
  const collector = await answeringCollector(200)
  await withPrograms(
    { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: "10" },
    async (running) => {
      const { changed, chronicle, refused, rows, stored } = await story(running, {
        traceparent: parent,
        tracestate: "a=1"
      })
      for (const { headers } of [changed, refused, chronicle]) {
        assert.notProperty(headers, "traceparent")
        assert.notProperty(headers, "tracestate")
      }
      assert.notProperty(refused.body, "trace_id")
      for (const row of rows) {
        for (const column of ["traceparent", "tracestate", "trace_id"]) assert.isNull(row[column])
        assert.isNotNull(row["request_id"])
      }
      for (const { trace_id } of chronicle.body.items) assert.isNull(trace_id)
      for (const line of [...logLines(running.api), ...logLines(running.worker)]) {
        for (const field of ["trace_id", "span_id", "parent_id", "trace_flags", "tracestate"]) {
          assert.notProperty(
            line,
            field
          )
        }
      }
      const metrics = await running.call("GET", "/metrics")
      const everything = [
        running.api.output(),
        running.api.errors(),
        running.worker.output(),
        running.worker.errors(),
        metrics.text,
        JSON.stringify(changed),
        JSON.stringify(refused),
        JSON.stringify(chronicle),
        ...stored
      ].join("\n")
      assert.notMatch(everything, /noop/i)
      assert.notInclude(everything, "4bf92f3577b34da6a3ce929d0e0e4736")
    }
  )
  assert.strictEqual(collector.asked(), 0)
  await collector.stop()
}

describe("tracing", () => {
  it("is off unless asked for: no id in any row, header, problem or log line, and nothing is sent", () => hasNoIds({}))

  it("is off when the SDK is disabled, whatever else is set", () =>
    hasNoIds({ OTEL_SDK_DISABLED: "true", WORDLOOM_TRACING_ENABLED: "1", WORDLOOM_TRACING: "export" }))

  it("has ids everywhere and sends nothing when it is local", async () => {
    const collector = await answeringCollector(200)
    await withPrograms({ WORDLOOM_TRACING: "local", OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }, async (running) => {
      const { changed, rows } = await story(running, { traceparent: parent, tracestate: "a=1" })
      assert.strictEqual((changed.headers["traceparent"] as string).slice(3, 35), parent.slice(3, 35))
      for (const { trace_id, traceparent } of rows) {
        assert.match(traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
        const line = await until(
          "the request's log line",
          () => logLines(running.api).find((one) => one["trace_id"] === trace_id && one["status"] === 201)
        )
        assert.strictEqual(line["request_id"], rows[0]!["request_id"])
      }
    })
    assert.strictEqual(collector.asked(), 0)
    await collector.stop()
  })

  it("writes the flag of an unsampled trace, and exports nothing of it", async () => {
    const collector = await answeringCollector(200)
    const env = {
      WORDLOOM_TRACING: "export",
      OTEL_TRACES_SAMPLER: "always_off",
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url
    }
    await withPrograms({ ...env, OTEL_BSP_SCHEDULE_DELAY: "10" }, async (running) => {
      const { changed, chronicle, rows, stored } = await story(running, { traceparent: parent, tracestate: "a=1" })
      assert.match(changed.headers["traceparent"] as string, /-00$/)
      for (const { traceparent } of rows) assert.match(traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
      for (const row of stored) assert.notMatch(row, /-01"/)
      for (const { trace_id } of chronicle.body.items) assert.match(trace_id, /^[0-9a-f]{32}$/)
    })
    assert.strictEqual(collector.asked(), 0)
    await collector.stop()
  })

  it("follows a trusted caller's decision under a ratio of nothing, and its own where there is none", async () => {
    const env = {
      WORDLOOM_TRACING: "local",
      WORDLOOM_TRACE_TRUST: "trust",
      OTEL_TRACES_SAMPLER: "traceidratio",
      OTEL_TRACES_SAMPLER_ARG: "0"
    }
    await withPrograms(env, async ({ call }) => {
      const asked = async (headers: Readonly<Record<string, string>>) =>
        ((await call("GET", "/api/v1/tags", { headers })).headers["traceparent"] as string).slice(-2)
      assert.strictEqual(await asked({}), "00")
      assert.strictEqual(await asked({ traceparent: parent }), "01")
      assert.strictEqual(await asked({ traceparent: parent.replace(/01$/, "00") }), "00")
    })
  })

  it("sends what it has when it is stopped, however long the next time would have been", async () => {
    const receiver = await otlpReceiver()
    const traces: Array<string> = []
    const env = {
      WORDLOOM_TRACING_ENABLED: "1",
      OTEL_EXPORTER_OTLP_ENDPOINT: `${receiver.url}/`,
      OTEL_BSP_SCHEDULE_DELAY: "600000"
    }
    await withPrograms({ ...env, OTEL_RESOURCE_ATTRIBUTES: "team=words" }, async (running) => {
      const { rows } = await story(running, {})
      traces.push(rows[0]!["trace_id"])
      assert.isEmpty(receiver.spans)
    })
    const names = receiver.spans.filter(({ traceId }) => traces.includes(traceId)).map(({ name, service }) =>
      `${service} ${name}`
    )
    assert.includeMembers(names, [
      "wordloom-api POST /api/v1/libraries",
      "wordloom-api db.tx",
      "wordloom-api outbox.enqueue",
      "wordloom-search-outbox-worker outbox.process",
      "wordloom-chronicle-outbox-worker outbox.process"
    ])
    assert.isFalse(receiver.spans.some(({ name }) => name.includes("/health") || name.includes("/metrics")))
    await receiver.stop()
  })

  const troubled: ReadonlyArray<readonly [what: string, make: () => Promise<Collector>]> = [
    ["is not there", absentCollector],
    ["never answers", silentCollector],
    ["answers 500", () => answeringCollector(500)],
    ["answers 503 and means it", () => answeringCollector(503)],
    ["answers 400", () => answeringCollector(400)],
    ["sends elsewhere", () => answeringCollector(302)]
  ]
  for (const [what, make] of troubled) {
    it(`disturbs no request, no projection and no stop when the collector ${what}`, async () => {
      const collector = await make()
      const env = {
        WORDLOOM_TRACING_ENABLED: "1",
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_BSP_SCHEDULE_DELAY: "10"
      }
      let stoppingAt = 0
      await withPrograms(env, async (running) => {
        for (let round = 0; round < 5; round++) {
          await Promise.all(Array.from({ length: 10 }, () => newTag(running.call)))
        }
        const { rows } = await story(running, {})
        for (const { traceparent } of rows) assert.match(traceparent, /-01$/)
        await until("somebody to have asked it", () => collector.asked() > 0)
        for (const program of [running.api, running.worker]) logLines(program)
        stoppingAt = performance.now()
      })
      // Three seconds for the last spans; the rest is what a busy machine may take.
      assert.isBelow(performance.now() - stoppingAt, 20_000)
      await collector.stop()
    })
  }
})
