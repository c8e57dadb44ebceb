/** Pausing a projection, as a caller and a worker in another process see it. */
import { assert, describe, it } from "@effect/vitest"
import { until } from "../support/Programs.ts"
import { apiForAll, isProblem, newTag } from "../support/RunningApi.ts"

type Body = Record<string, any>

describe("pausing a projection", () => {
  const running = apiForAll({ worker: true })
  const { call } = running

  const stats = async (projection: string): Promise<Body> => {
    const { body } = await call("GET", "/api/v1/outbox/stats")
    return body.projections.find((one: Body) => one["projection"] === projection)
  }
  const statusOf = async (entity: string, projection: string) => {
    const { body } = await call("GET", `/api/v1/outbox/events?projection=${projection}&entity_id=${entity}`)
    return body.items[0].status as string
  }
  const done = (entity: string, projection: string) =>
    until(`the ${projection} row of ${entity} to be done`, async () => await statusOf(entity, projection) === "done")

  it("keeps its rows where they are until it is resumed, while the other projections go on", async () => {
    const paused = await call("POST", "/api/v1/outbox/search/pause", { json: { reason: " a new index " } })
    assert.strictEqual(paused.status, 200, paused.text)
    const { paused_at: since, ...state } = paused.body
    assert.deepStrictEqual(state, { projection: "search", paused: true, paused_reason: "a new index", breakers: [] })
    assert.match(since, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)

    const tags = [await newTag(call), await newTag(call)]
    for (const { id } of tags) await done(id, "chronicle")
    assert.deepInclude(await stats("search"), { paused: true, paused_at: since, pending: 2, processing: 0 })
    assert.deepInclude(await stats("chronicle"), { paused: false })

    const resumed = await call("POST", "/api/v1/outbox/search/resume")
    assert.strictEqual(resumed.status, 200)
    const going = { paused: false, paused_at: null, paused_reason: null, breakers: [] }
    assert.deepStrictEqual(resumed.body, { projection: "search", ...going })
    for (const { id } of tags) await done(id, "search")
    assert.deepInclude(await stats("search"), { ...going, pending: 0 })
  })

  it("can be said twice: the first reason stays", async () => {
    const pause = (said: Parameters<typeof call>[2]) => call("POST", "/api/v1/outbox/realtime/pause", said)
    const first = await pause({ json: { reason: "the first" } })
    for (const said of [{ json: { reason: "the second" } }, { json: {} }, {}, { json: { reason: "" } }]) {
      const again = await pause(said)
      assert.strictEqual(again.status, 200, again.text)
      assert.deepStrictEqual(again.body, first.body)
    }
    for (let time = 0; time < 2; time++) {
      const { body, status } = await call("POST", "/api/v1/outbox/realtime/resume")
      assert.strictEqual(status, 200)
      assert.deepInclude(body, { paused: false })
    }
  })

  it("happens once under its Idempotency-Key, and so does resuming", async () => {
    const [pauseAt, resumeAt] = ["/api/v1/outbox/realtime/pause", "/api/v1/outbox/realtime/resume"]
    const pause = { headers: { "idempotency-key": "pause-1" }, json: { reason: "once" } }
    const resume = { headers: { "idempotency-key": "resume-1" } }
    const paused = await call("POST", pauseAt, pause)
    const resumed = await call("POST", resumeAt, resume)
    // Neither undoes what came after it.
    assert.strictEqual((await call("POST", pauseAt, pause)).text, paused.text)
    assert.deepInclude(await stats("realtime"), { paused: false })
    await call("POST", pauseAt)
    assert.strictEqual((await call("POST", resumeAt, resume)).text, resumed.text)
    assert.deepInclude(await stats("realtime"), { paused: true })
    isProblem(await call("POST", pauseAt, { ...pause, json: { reason: "another" } }), 409)
    isProblem(await call("POST", "/api/v1/outbox/chronicle/pause", pause), 409)
    isProblem(await call("POST", resumeAt, { headers: { "idempotency-key": "" } }), 400, ["idempotency-key"])
    await call("POST", resumeAt)
  })

  it("needs no reason, and no body", async () => {
    for (const said of [{}, { json: {} }, { json: { reason: "  " } }]) {
      const { body, status, text } = await call("POST", "/api/v1/outbox/realtime/pause", said)
      assert.strictEqual(status, 200, text)
      assert.deepInclude(body, { paused: true, paused_reason: null })
      await call("POST", "/api/v1/outbox/realtime/resume")
    }
  })

  it("shows the breakers of the workers that run, in the statistics and in the answer", async () => {
    const [worker] = await running.database.query("select id from outbox_workers")
    await running.database.query(
      `insert into outbox_breakers (projection, worker, state, error_type, error_detail, retry_at)
       select 'realtime', worker, 'open', 'mq_unavailable', 'nobody listens', clock_timestamp() + interval '1 minute'
       from unnest(array[$1, 'a-worker-that-is-gone']) as worker`,
      String(worker!["id"])
    )
    const { breakers: [breaker, ...others] } = await stats("realtime")
    const { retry_at: retryAt, ...shown } = breaker
    assert.isEmpty(others)
    assert.deepStrictEqual(shown, {
      worker: worker!["id"],
      state: "open",
      error_type: "mq_unavailable",
      detail: "nobody listens"
    })
    assert.match(retryAt, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
    const { body } = await call("POST", "/api/v1/outbox/realtime/resume")
    assert.deepStrictEqual(body.breakers, [breaker])
  })

  it("is asked for in JSON", async () => {
    const text = await call("POST", "/api/v1/outbox/search/pause", {
      body: "because",
      headers: { "content-type": "text/plain" }
    })
    isProblem(text, 415)
    assert.deepInclude(await stats("search"), { paused: false })
  })
})
