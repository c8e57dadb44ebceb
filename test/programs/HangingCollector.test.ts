/** A collector that takes what it is sent and never answers: nobody waits for it but who ends. */
import { assert, describe, it } from "@effect/vitest"
import { silentCollector } from "../support/Collectors.ts"
import { callerOf } from "../support/HttpCall.ts"
import { ownDatabase } from "../support/OwnDatabase.ts"
import { startProgram, until } from "../support/Programs.ts"
import { listening, newTag, programsEnv } from "../support/RunningApi.ts"

/** Far above what a change takes on a busy machine, and far below what an export may. */
const patienceMs = 20_000
const exportMs = 300_000

const inTime = async <A>(what: string, work: Promise<A>): Promise<A> => {
  const { promise: over, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`${what} waits for the collector`)), patienceMs)
  try {
    return await Promise.race([work, over])
  } finally {
    clearTimeout(timer)
  }
}

describe("a collector that hangs", () => {
  it("is waited for by no request and by no projection", async () => {
    const [collector, database] = [await silentCollector(), await ownDatabase()]
    const env = {
      ...programsEnv(database),
      WORDLOOM_TRACING_ENABLED: "1",
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: "10",
      OTEL_BSP_EXPORT_TIMEOUT: String(exportMs),
      OUTBOX_POLL_INTERVAL: "50ms",
      // A batch that waits is then in the way of the next.
      OUTBOX_CONCURRENCY: "1"
    }
    const [api, worker] = [startProgram("api", env), startProgram("worker", env)]
    try {
      const call = callerOf(await listening(api))
      await worker.printed(/draining/)
      for (let round = 0; round < 4; round++) {
        const tag = await inTime("a request", newTag(call))
        const told = until("both projections", async () => {
          const rows = await database.query(
            `select from search_outbox_events where status = 'done' and entity_id = $1
              union all select from chronicle_outbox_events where status = 'done' and entity_id = $1`,
            tag["id"]
          )
          return rows.length === 2
        })
        await inTime("a projection", told)
        // The API has spans to send, and so has the worker.
        await until("exports that hang", () => collector.asked() >= 2)
      }
      assert.deepStrictEqual(await Promise.all([api.stop(), worker.stop()]), [0, 0], api.errors() + worker.errors())
    } finally {
      await Promise.all([api.stop("SIGKILL"), worker.stop("SIGKILL")])
      await collector.stop()
      await database.drop()
    }
  })
})
