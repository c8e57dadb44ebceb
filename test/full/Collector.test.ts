/** Sampling in the collector, on traces of the real programs: no trouble is lost, a tenth of the rest stays. */
import { assert, describe, it } from "@effect/vitest"
import { randomBytes } from "node:crypto"
import { missing, start } from "../../infra/servers.js"
import { type Caller, callerOf } from "../support/HttpCall.ts"
import { ownDatabase } from "../support/OwnDatabase.ts"
import { startProgram, until } from "../support/Programs.ts"
import { fresh, listening, programsEnv } from "../support/RunningApi.ts"

const lacking = process.env["WORDLOOM_FULL"] === "1"
  ? missing("collector") ?? missing("jaeger") ?? missing("tempo")
  : "only with `npm run test:full`"
if (lacking !== undefined) console.warn(`The collector's sampling is not tested: ${lacking}`)

const decisionWaitMs = 4_000

/** The collector goes by its own clock, and slow is what takes long: there is nothing else to wait for. */
const passing = (ms: number) => new Promise((next) => setTimeout(next, ms))

const times = async (count: number, once: () => Promise<string>) => {
  const ids: Array<string> = []
  for (let done = 0; done < count; done++) ids.push(await once())
  return ids
}

/** The trace of a request, as its answer names it. */
const traced = async (call: Caller, status: number, ...request: Parameters<Caller>) => {
  const { headers, status: said, text } = await call(...request)
  assert.strictEqual(said, status, text)
  return String(headers["traceparent"]).slice(3, 35)
}

/** One span as OTLP's JSON: the late half of a debug trace bears the mark in tracestate only. */
const foreign = async (url: string, span: Readonly<Record<string, unknown>>) => {
  const traceId = randomBytes(16).toString("hex")
  const now = BigInt(Date.now()) * 1_000_000n
  const times = { startTimeUnixNano: String(now - 5_000_000n), endTimeUnixNano: String(now) }
  const spans = [{ traceId, spanId: randomBytes(8).toString("hex"), name: "other", kind: 2, ...times, ...span }]
  const answer = await fetch(`${url}/v1/traces`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ resourceSpans: [{ resource: {}, scopeSpans: [{ scope: { name: "test" }, spans }] }] })
  })
  assert.strictEqual(answer.status, 200)
  return traceId
}

const spansIn = (jaeger: string) => async (id: string): Promise<ReadonlyArray<any>> => {
  const answer = await fetch(`${jaeger}/api/traces/${id}`)
  return answer.status === 404 ? [] : (await answer.json() as any).data[0].spans
}

/** A machine that is busy makes slow what is not; such a trace is kept with good reason. */
const isSlow = ({ duration, operationName }: any) => operationName !== "outbox.wait" && duration > 1_000_000

const hasError = ({ tags }: any) => tags.some(({ key, value }: any) => key === "error" && value === true)

describe.skipIf(lacking !== undefined)("the collector", () => {
  it("keeps every error, every slow step and every debug trace, and a tenth of the rest", async () => {
    const [jaeger, tempo, database] = await Promise.all([start("jaeger"), start("tempo"), ownDatabase()])
    const collector = await start("collector", {
      stores: { jaeger: jaeger.urls.otlp, tempo: tempo.urls.otlp },
      decisionWait: `${decisionWaitMs}ms`
    })
    const env = {
      ...programsEnv(database),
      WORDLOOM_TRACING_ENABLED: "1",
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.urls.otlp,
      OTEL_TRACES_SAMPLER: "always_on",
      OTEL_BSP_SCHEDULE_DELAY: "200"
    }
    const api = startProgram("api", env)
    const call = callerOf(await listening(api))
    const worker = () => startProgram("worker", env)
    const workers = [worker()]
    const spansOf = spansIn(jaeger.url)
    /** Which of them are there; asked once everybody must have been judged. */
    const keptOf = async (ids: ReadonlyArray<string>) => {
      const found = await Promise.all(ids.map(async (id) => (await spansOf(id)).length > 0))
      return ids.filter((_, at) => found[at])
    }
    const newTag = (headers: Readonly<Record<string, string>> = {}) =>
      traced(call, 201, "POST", "/api/v1/tags", { json: { name: fresh("tag"), color: "#123456" }, headers })
    try {
      await workers[0]!.printed(/draining/)
      const reads = await times(400, () => traced(call, 200, "GET", "/api/v1/tags"))
      const writes = await times(100, () => newTag())

      await database.query("alter table libraries rename to libraries_away")
      const failed = await times(20, async () => {
        const { headers, status } = await call("GET", "/api/v1/libraries")
        assert.isAtLeast(status, 500)
        return String(headers["traceparent"]).slice(3, 35)
      })
      await database.query("alter table libraries_away rename to libraries")

      const lock = await database.hold("lock table tags in access exclusive mode")
      const slow = times(1, () => newTag())
      await passing(1_500)
      await lock.release()

      const debug = [
        ...await times(5, () => newTag({ "x-wordloom-debug": "1" })),
        ...await times(10, () => foreign(collector.urls.otlp, { traceState: "other=1,wordloom=d:1" }))
      ]

      // Rows that wait for two seconds because nobody is there to take them: late, but no step of theirs is slow.
      await workers[0]!.stop()
      const waited = await times(100, () => newTag())
      await passing(2_000)
      workers.push(worker())
      await until("the outboxes to be empty", async () => {
        const [left] = await database.query("select count(*)::int as rows from outbox_search")
        return left!["rows"] === 0
      })

      // Judged and refused long before their worker comes, and fails.
      await workers[1]!.stop()
      const late = await times(10, () => newTag())
      await times(20, () => traced(call, 200, "GET", "/api/v1/tags"))
      await passing(decisionWaitMs + 3_000)
      await database.query("alter table chronicle_entries rename to chronicle_away")
      workers.push(worker())

      for (const [what, ids] of Object.entries({ failed, slow: await slow, debug })) {
        await until(`all that are ${what}`, async () => (await keptOf(ids)).length === ids.length)
      }
      for (const id of late) {
        await until("a late error", async () => {
          // The very last trace that was refused is still known as such; others push it out.
          await call("GET", "/api/v1/tags")
          return (await spansOf(id)).some((span) => span.operationName === "outbox.process" && hasError(span))
        })
      }
      const failedSpan = (await spansOf(failed[0]!)).find(({ operationName }) => operationName.startsWith("GET"))
      assert.isTrue(hasError(failedSpan))

      /** How many are there for no other reason than chance. */
      const byChance = async (ids: ReadonlyArray<string>) => {
        const traces = await Promise.all((await keptOf(ids)).map(spansOf))
        return traces.filter((spans) => !spans.some((span) => isSlow(span) || hasError(span))).length
      }
      const counts = {
        reads: await byChance(reads),
        writes: await byChance(writes),
        waited: await byChance(waited)
      }
      console.warn(`kept of 400 reads, 100 writes, 100 that waited: ${JSON.stringify(counts)}`)
      // Five standard deviations: 6 of 400, 3 of 100.
      assert.isAtLeast(counts.reads, 10)
      assert.isAtMost(counts.reads, 70)
      assert.isAtMost(counts.writes, 25)
      assert.isAtMost(counts.waited, 25)
      // What is kept is whole: no half without the other.
      for (const id of await keptOf(writes)) {
        const names = (await spansOf(id)).map(({ operationName }) => operationName)
        assert.includeMembers(names, ["POST /api/v1/tags", "outbox.enqueue", "outbox.process", "outbox.ack"])
      }
      const [id] = await keptOf(writes)
      if (id !== undefined) assert.strictEqual((await fetch(`${tempo.url}/api/traces/${id}`)).status, 200)
    } finally {
      await Promise.all([api, ...workers].map((program) => program.stop()))
      await Promise.all([collector.stop(), jaeger.stop(), tempo.stop(), database.drop()])
    }
  }, 300_000)
})
