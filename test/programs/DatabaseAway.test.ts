/** The database goes away under a running API: 503 with `Retry-After`, nothing half-made, and well when it is back. */
import { assert, describe, it } from "@effect/vitest"
import { afterAll, beforeAll } from "vitest"
import { type Answer, type Caller, callerOf } from "../support/HttpCall.ts"
import { type OwnDatabase, ownDatabase } from "../support/OwnDatabase.ts"
import { type Program, startProgram, until } from "../support/Programs.ts"
import { fresh, isProblem, listening, logLines, newTag, programsEnv } from "../support/RunningApi.ts"
import { tcpProxy } from "../support/TcpProxy.ts"

describe("without a database", () => {
  let database: OwnDatabase
  let proxy: Awaited<ReturnType<typeof tcpProxy>>
  let api: Program
  let worker: Program
  let call: Caller

  beforeAll(async () => {
    database = await ownDatabase()
    proxy = await tcpProxy(database.url)
    const env = {
      ...programsEnv(proxy),
      WORDLOOM_TRACING: "local",
      OUTBOX_POLL_INTERVAL: "50ms",
      OUTBOX_LEASE: "1s",
      OUTBOX_WORKER_ID: "steadfast"
    }
    api = startProgram("api", env)
    worker = startProgram("worker", env)
    call = callerOf(await listening(api))
    await worker.printed(/draining/)
  })
  afterAll(async () => {
    proxy.restore()
    await Promise.all([api.stop(), worker.stop()])
    await proxy.stop()
    await database.drop()
  })

  const unavailable = (answer: Answer) => {
    isProblem(answer, 503)
    assert.match(answer.headers["retry-after"]!, /^\d+$/)
    assert.notMatch(answer.text, /ECONN|socket|password|127\.0\.0\.1/)
  }

  const written = async () => {
    const [row] = await database.query(
      `select (select count(*) from tags)::int as tags, (select count(*) from search_outbox_events)::int as search,
        (select count(*) from chronicle_outbox_events)::int as chronicle,
        (select count(*) from idempotency_keys)::int as keys`
    )
    return row!
  }

  const everyRoute = (id: string) => [
    () =>
      call("POST", "/api/v1/tags", {
        json: { name: fresh("away"), color: "#000000" },
        headers: { "idempotency-key": "away-1" }
      }),
    () => call("PATCH", `/api/v1/tags/${id}`, { json: { color: "#000000" } }),
    () => call("DELETE", `/api/v1/tags/${id}`),
    () => call("GET", `/api/v1/tags/${id}`),
    () => call("GET", "/api/v1/tags"),
    () => call("GET", "/api/v1/search?q=away"),
    () => call("GET", "/api/v1/search?q=away&tag=name"),
    () => call("GET", "/api/v1/chronicle"),
    () => call("GET", "/api/v1/outbox/stats"),
    () => call("GET", "/api/v1/outbox/events"),
    () => call("POST", "/api/v1/outbox/replay", { json: { projection: "search" } }),
    () => call("POST", "/api/v1/outbox/events/search/1/replay"),
    () => call("POST", "/api/v1/outbox/realtime/pause", { json: { reason: "away" } }),
    () => call("POST", "/api/v1/outbox/realtime/resume")
  ]

  /** The same write as before, by its key; and everything is told in the end. */
  const recovered = async () => {
    const tag = await until("writes to succeed again", async () => {
      const answer = await call("POST", "/api/v1/tags", { json: { name: fresh("back"), color: "#000000" } })
      if (answer.status !== 201) unavailable(answer)
      return answer.status === 201 && answer.body
    })
    await until("the worker to go on", async () => {
      const { body } = await call("GET", `/api/v1/outbox/events?entity_id=${tag.id}&status=done`)
      return body.items?.length === 2
    })
    assert.isNull(worker.process.exitCode)
  }

  it("answers 503 on every route, writes nothing, and recovers", async () => {
    const tag = await newTag(call)
    const before = await written()
    proxy.cut()
    for (const ask of everyRoute(tag["id"])) unavailable(await ask())
    assert.strictEqual((await call("GET", "/health")).status, 200)
    assert.strictEqual((await call("GET", "/metrics")).status, 200)
    isProblem(await call("GET", "/nope"), 404)
    isProblem(await call("POST", "/api/v1/tags", { json: {} }), 400)
    proxy.restore()
    assert.deepStrictEqual(await written(), before)
    await recovered()
    assert.strictEqual((await call("GET", `/api/v1/tags/${tag["id"]}`)).body.version, 1)
  })

  for (const how of ["cut", "silence"] as const) {
    it(`answers a write that waits to be found when the database goes away (${how}): it is done`, async () => {
      await call("POST", "/api/v1/outbox/search/pause")
      const name = fresh("waits")
      const began = performance.now()
      const headers = { prefer: "wait=25" }
      const answered = call("POST", "/api/v1/tags", { headers, json: { name, color: "#000000" } })
      await until(
        "it to be committed",
        async () => (await database.query("select from tags where name = $1", name)).length === 1
      )
      proxy[how]()
      const { body, headers: said, status, text } = await answered
      assert.strictEqual(status, 201, text)
      assert.strictEqual(said["x-search-visible"], "false")
      // Long before its time: who cannot be asked is not waited for.
      assert.isBelow(performance.now() - began, 20_000)
      proxy.restore()
      await database.query("update outbox_projections set paused_at = null")
      await recovered()
      await until("it to be found", async () => {
        const { body: found } = await call(
          "GET",
          `/api/v1/search?${new URLSearchParams({ q: `"${name}"` }).toString()}`
        )
        return found.items?.[0]?.id === body.id
      })
    })
  }

  it("undoes what was in the middle of its transaction", async () => {
    const tag = await newTag(call)
    const held = await database.hold(`select from tags where id = '${tag["id"]}' for update`)
    const headers = { "idempotency-key": fresh("middle").replaceAll(" ", "-") }
    const change = () => call("PATCH", `/api/v1/tags/${tag["id"]}`, { headers, json: { color: "#ABCDEF" } })
    const first = change()
    await until(
      "the change to wait",
      async () =>
        (await database.query(
          "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )).length > 0
    )
    const before = await written()
    proxy.cut()
    unavailable(await first)
    await held.release()
    proxy.restore()
    await until("the server to have ended what was cut off", async () =>
      (await database.query(
        `select from pg_stat_activity where datname = current_database() and state <> 'idle'
          and pid <> pg_backend_pid() and application_name = 'wordloom-api'`
      )).length === 0)
    assert.deepStrictEqual(await written(), before)
    // What the caller was told is true: nothing was written, so the same request under the same key does it now.
    const again = await until("the change to succeed", async () => {
      const answer = await change()
      if (answer.status !== 200) unavailable(answer)
      return answer.status === 200 && answer
    })
    assert.strictEqual(again.body.version, 2)
    await recovered()
  })

  it("survives that the server ends all its sessions", async () => {
    await newTag(call)
    for (let round = 0; round < 3; round++) {
      await database.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and application_name like 'wordloom%'`
      )
      const answers = await Promise.all(
        Array.from(
          { length: 12 },
          () => call("POST", "/api/v1/tags", { json: { name: fresh("after"), color: "#000000" } })
        )
      )
      for (const answer of answers) if (answer.status !== 201) unavailable(answer)
    }
    await recovered()
  })

  it("answers 503 while the server takes no connections to the database", async () => {
    // `alter database` does not do this to the database that it is said in.
    const allow = (allowed: boolean) =>
      database.query("update pg_database set datallowconn = $1 where datname = current_database()", allowed)
    const before = await written()
    await allow(false)
    await database.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and application_name like 'wordloom%'`
    )
    try {
      for (const ask of everyRoute("01890000-0000-7000-8000-000000000000")) unavailable(await ask())
    } finally {
      await allow(true)
    }
    assert.deepStrictEqual(await written(), before)
    await recovered()
  })

  it("answers in the end while the database is silent, and recovers", async () => {
    // Every connection of the pool is in use, and not only those that are made now.
    await Promise.all(Array.from({ length: 30 }, () => newTag(call)))
    const before = await written()
    proxy.silence()
    try {
      const answers = await Promise.all(everyRoute("01890000-0000-7000-8000-000000000000").map((ask) => ask()))
      for (const answer of answers) unavailable(answer)
      assert.strictEqual((await call("GET", "/health/live")).status, 200)
    } finally {
      proxy.restore()
    }
    assert.deepStrictEqual(await written(), before)
    await recovered()
  })

  it("leaves the worker its name: another of that name is refused", async () => {
    const ends = async () => {
      const second = startProgram("worker", { ...programsEnv(database), OUTBOX_WORKER_ID: "steadfast" })
      await until(
        "it to start or to end",
        () => second.process.exitCode !== null || second.output().includes("draining")
      )
      return { code: await second.stop(), errors: second.errors() }
    }
    // The first may need a moment to take its name again.
    const { errors } = await until("the second to be refused", async () => {
      const end = await ends()
      return end.code === 1 && end
    })
    assert.match(errors, /^another live worker is called steadfast/)
  })

  it("has told of it without an error that is ours, one object a line", () => {
    const lines = logLines(api)
    assert.isNotEmpty(lines.filter(({ status }) => status === 503))
    assert.deepStrictEqual(
      lines.filter(({ level }) => level === "error").map(({ error, message }) => [message, error]),
      []
    )
    logLines(worker)
    assert.strictEqual(api.errors() + worker.errors(), "")
  })
})
