/** A worker that sees for itself that the index has lost something, tells of it, and brings it back. */
import { assert, describe, it } from "@effect/vitest"
import { reservePorts } from "../../infra/servers/system.js"
import { call, callerOf } from "../support/HttpCall.ts"
import { ownDatabase } from "../support/OwnDatabase.ts"
import { startProgram, until } from "../support/Programs.ts"
import { parseMetrics } from "../support/Prometheus.ts"
import { listening, newTag, programsEnv } from "../support/RunningApi.ts"

describe("a worker that reconciles", () => {
  it("shows what it found and, if it may, repairs it", async () => {
    const database = await ownDatabase()
    const { metrics } = await reservePorts({ metrics: 0 })
    const env = { ...programsEnv(database), OUTBOX_METRICS_PORT: String(metrics), WORDLOOM_RECONCILE_EVERY: "1s" }
    const api = startProgram("api", env)
    let worker = startProgram("worker", env)
    const drift = async () => {
      const found = parseMetrics((await call("GET", `http://127.0.0.1:${metrics}/metrics`)).text)
      const samples = found.get("wordloom_search_drift")?.samples ?? []
      return samples.map(({ labels, value }) => `${labels["class"]} ${value}`).toSorted().join(", ")
    }
    const documents = () => database.query("select title from search_documents")
    try {
      const tag = await newTag(callerOf(await listening(api)))
      await until("the document", async () => (await documents()).length === 1)
      await until("no drift", async () => await drift() === "missing 0, orphaned 0, stale 0")
      await database.query("delete from search_documents")
      await until("drift", async () => await drift() === "missing 1, orphaned 0, stale 0")
      assert.match(worker.output(), /"level":"WARN".*the search index says something else than it should/i)
      assert.deepStrictEqual(await documents(), [])
      assert.strictEqual(await worker.stop(), 0)
      worker = startProgram("worker", { ...env, WORDLOOM_RECONCILE_REPAIR: "on" })
      await until("the document again", async () => (await documents())[0]?.["title"] === tag["name"])
      await until("no drift any more", async () => await drift() === "missing 0, orphaned 0, stale 0")
      assert.deepStrictEqual(await Promise.all([api.stop(), worker.stop()]), [0, 0])
    } finally {
      await Promise.all([api.stop("SIGKILL"), worker.stop("SIGKILL")])
      await database.drop()
    }
  })
})
