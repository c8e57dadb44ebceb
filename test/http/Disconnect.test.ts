/** A client that goes away takes its work with it: no statement goes on for nobody. */
import { assert, describe, it } from "@effect/vitest"
import { request } from "node:http"
import { until } from "../support/Programs.ts"
import { apiForAll, logLines, newTag } from "../support/RunningApi.ts"

describe("a client that goes away", () => {
  const running = apiForAll({ env: { WORDLOOM_TRACING: "local" } })

  const waiting = async () =>
    (await running.database.query(
      "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    )).length

  it("has its change undone, and the connection given to the next", async () => {
    const { base, call, database } = running
    const tag = await newTag(call)
    const at = `/api/v1/tags/${tag["id"]}`
    const held = await database.hold(`select from tags where id = '${tag["id"]}' for update`)
    const impatient = Array.from({ length: 5 }, () => {
      const asked = request(base + at, {
        method: "PATCH",
        agent: false,
        headers: { "content-type": "application/json" }
      })
      asked.on("error", () => {}).end(JSON.stringify({ color: "#ABCDEF" }))
      return asked
    })
    await until("them to wait", async () => await waiting() === impatient.length)
    for (const asked of impatient) asked.destroy()
    await until("nobody to wait any more", async () => await waiting() === 0)
    await held.release()
    assert.deepStrictEqual((await call("GET", at)).body, tag)
    const { status } = await call("PATCH", at, { json: { color: "#123456" } })
    assert.strictEqual(status, 200)
    const rows = await database.query("select from search_outbox_events where entity_id = $1", tag["id"])
    assert.strictEqual(rows.length, 2)
  })

  it("is no error of ours, and in flight no longer", async () => {
    const { text } = await running.call("GET", "/metrics")
    assert.match(text, /^wordloom_http_requests_in_flight 1$/m)
    assert.deepStrictEqual(logLines(running.api).filter(({ level }) => level === "error"), [])
    assert.strictEqual(running.api.errors(), "")
  })
})
