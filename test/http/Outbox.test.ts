/** The outbox as a caller sees it: counts, rows, and making finished rows due again. */
import { assert, describe, it } from "@effect/vitest"
import { until } from "../support/Programs.ts"
import { apiForAll, isProblem, newTag } from "../support/RunningApi.ts"

const columns = [
  "projection",
  "id",
  "entity_type",
  "entity_id",
  "entity_version",
  "op",
  "status",
  "attempts",
  "next_attempt_at",
  "lease_owner",
  "lease_until",
  "error_type",
  "error_detail",
  "traceparent",
  "tracestate",
  "trace_id",
  "request_id",
  "created_at",
  "updated_at",
  "processed_at"
]

type Row = Record<string, any>

describe("outbox", () => {
  const running = apiForAll({ worker: true, env: { WORDLOOM_TRACING: "local" } })
  const { call } = running

  const events = async (query: string) => {
    const { body, status, text } = await call("GET", `/api/v1/outbox/events?${query}`)
    assert.strictEqual(status, 200, text)
    return body as { readonly items: ReadonlyArray<Row>; readonly next_cursor: string | null }
  }
  const stats = async (projection: string): Promise<Row> => {
    const { body } = await call("GET", "/api/v1/outbox/stats")
    return body.projections.find((one: Row) => one["projection"] === projection)
  }
  const done = (entity: string, projection = "search") =>
    until(
      `the ${projection} row of ${entity} to be done`,
      async () => (await events(`projection=${projection}&entity_id=${entity}&status=done`)).items[0]
    )

  /** As if the search engine had refused the row for good. */
  const bury = async (entity: string, errorType: string) => {
    const { id } = await done(entity)
    const kept =
      `projection, id, claimed_at, entity_type, entity_id, entity_version, op, attempts, lease_owner, traceparent,
      tracestate, request_id, actor, library_id, changes, created_at`
    await running.database.query(
      `with gone as (delete from outbox_done where projection = 'search' and id = $1::bigint returning *)
       insert into outbox_dead (${kept}, error_type, error_detail) select ${kept}, $2, 'made by a test' from gone`,
      String(id),
      errorType
    )
    return id as number
  }

  it("counts what waits and what is finished, for each projection", async () => {
    const tag = await newTag(call)
    await Promise.all([done(tag["id"]), done(tag["id"], "chronicle")])
    const { body, status } = await call("GET", "/api/v1/outbox/stats")
    assert.strictEqual(status, 200)
    assert.deepStrictEqual(body.projections.map((one: Row) => one["projection"]), ["search", "chronicle", "realtime"])
    for (const one of body.projections) {
      assert.hasAllKeys(one, [
        "projection",
        "pending",
        "processing",
        "done",
        "dead",
        "oldest_pending_age_seconds",
        "lag_seconds",
        "paused",
        "paused_at",
        "paused_reason",
        "breakers"
      ])
      assert.include(one, { paused: false, paused_at: null, paused_reason: null })
      assert.deepStrictEqual(one.breakers, [])
      assert.hasAllKeys(one.lag_seconds, ["p50", "p95", "p99"])
      const expected = one.projection === "realtime" ? 0 : 1
      assert.isAtLeast(one.done, expected)
      const { p50, p95, p99 } = one.lag_seconds
      assert.isTrue(0 <= p50 && p50 <= p95 && p95 <= p99)
    }
  })

  it("shows a row with everything that the contract names", async () => {
    const tag = await newTag(call)
    const row = await done(tag["id"])
    assert.hasAllKeys(row, columns)
    assert.deepInclude(row, {
      projection: "search",
      entity_type: "tag",
      entity_id: tag["id"],
      entity_version: 1,
      op: "upsert",
      status: "done",
      attempts: 1,
      next_attempt_at: null,
      lease_owner: null,
      lease_until: null,
      error_type: null,
      error_detail: null,
      tracestate: null
    })
    assert.match(row["traceparent"], /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    assert.strictEqual(row["trace_id"], row["traceparent"].slice(3, 35))
    assert.isTrue(row["created_at"] <= row["processed_at"])
    const [attempt] = await running.database.query(
      "select * from outbox_attempts where projection = 'search' and event_id = $1::bigint",
      String(row["id"])
    )
    assert.deepInclude(attempt!, {
      attempt: 1,
      result: "ok",
      outcome: "acked",
      error_type: null,
      trace_id: row["trace_id"]
    })
  })

  it("filters rows by projection, status, entity and trace", async () => {
    const [one, other] = [await newTag(call), await newTag(call)]
    const [mine] = [await done(one["id"]), await done(one["id"], "chronicle"), await done(other["id"])]
    const entity = (await events(`entity_id=${one["id"]}`)).items
    assert.sameMembers(entity.map(({ projection }) => projection), ["search", "chronicle"])
    assert.isTrue(entity.every(({ entity_id }) => entity_id === one["id"]))
    const trace = (await events(`trace_id=${mine["trace_id"]}`)).items
    assert.sameMembers(trace.map(({ projection, entity_id }) => `${projection} ${entity_id}`), [
      `search ${one["id"]}`,
      `chronicle ${one["id"]}`
    ])
    assert.isTrue(
      (await events("projection=chronicle&limit=100")).items.every(({ projection }) => projection === "chronicle")
    )
    assert.deepStrictEqual((await events(`entity_id=${one["id"]}&status=dead`)).items, [])
    assert.deepStrictEqual((await events("projection=realtime")).items, [])
  })

  it("shows every row once, page by page, newest first", async () => {
    const tags = await Promise.all(Array.from({ length: 9 }, () => newTag(call)))
    await Promise.all(tags.flatMap(({ id }) => [done(id), done(id, "chronicle")]))
    const seen: Array<Row> = []
    let cursor: string | null | undefined
    for (let page = 0; page === 0 || cursor !== null && page < 100; page++) {
      const more: string = cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor!)}`
      const found = await events(`limit=4${more}`)
      seen.push(...found.items)
      cursor = found.next_cursor
    }
    const keys = seen.map(({ id, projection }) => `${projection} ${id}`)
    assert.strictEqual(new Set(keys).size, keys.length)
    const count = await running.database.query("select count(*)::int as count from outbox_done")
    assert.strictEqual(keys.length, count[0]!["count"])
    const times = seen.map(({ created_at }) => created_at)
    assert.deepStrictEqual(times, times.toSorted().toReversed())
  })

  it("makes one finished row due again, once for each time it is asked", async () => {
    const tag = await newTag(call)
    const { id } = await done(tag["id"])
    const again = await call("POST", `/api/v1/outbox/events/search/${id}/replay`)
    assert.strictEqual(again.status, 202)
    assert.deepStrictEqual(again.body, { replayed: 1 })
    await done(tag["id"])
    const attempts = await running.database.query(
      "select outcome from outbox_attempts where projection = 'search' and event_id = $1::bigint order by ended_at",
      String(id)
    )
    assert.deepStrictEqual(attempts.map(({ outcome }) => outcome), ["acked", "superseded"])
    isProblem(await call("POST", "/api/v1/outbox/events/search/999999999/replay"), 404)
    isProblem(await call("POST", `/api/v1/outbox/events/realtime/${id}/replay`), 404)
  })

  it("makes dead rows due again, all or by their error", async () => {
    const [first, second] = [await newTag(call), await newTag(call)]
    const [one, two] = [await bury(first["id"], "es_mapping"), await bury(second["id"], "es_413")]
    assert.strictEqual((await stats("search"))["dead"], 2)
    const shown = (await events(`entity_id=${first["id"]}&status=dead`)).items[0]!
    assert.deepInclude(shown, { id: one, status: "dead", error_type: "es_mapping", error_detail: "made by a test" })
    const replay = (json: Row) => call("POST", "/api/v1/outbox/replay", { json: { projection: "search", ...json } })
    assert.deepStrictEqual((await replay({ error_type: "no_such" })).body, { replayed: 0 })
    assert.deepStrictEqual((await replay({ before: "2020-01-01T00:00:00Z" })).body, { replayed: 0 })
    assert.deepStrictEqual((await replay({ after: "2999-12-31T23:59:59.999999999+14:00" })).body, { replayed: 0 })
    assert.deepStrictEqual((await replay({ error_type: "es_mapping" })).body, { replayed: 1 })
    await done(first["id"])
    const rest = await replay({ after: "2020-01-01T00:00:00Z", before: "2999-01-01T00:00:00Z" })
    assert.strictEqual(rest.status, 202)
    assert.deepStrictEqual(rest.body, { replayed: 1 })
    assert.strictEqual((await done(second["id"]))["id"], two)
    assert.strictEqual((await stats("search"))["dead"], 0)
  })

  it("makes rows due again once under an Idempotency-Key", async () => {
    const { id: tag } = await newTag(call)
    const id = await bury(tag, "es_once")
    const ways = [
      [`events/search/${id}/replay`, { headers: { "idempotency-key": "one-row" } }],
      ["replay", { headers: { "idempotency-key": "rows" }, json: { projection: "search", error_type: "es_once" } }]
    ] as const
    for (const [path, said] of ways) {
      const first = await call("POST", `/api/v1/outbox/${path}`, said)
      assert.deepStrictEqual([first.status, first.body], [202, { replayed: 1 }])
      assert.strictEqual(await bury(tag, "es_once"), id)
      const again = await call("POST", `/api/v1/outbox/${path}`, said)
      assert.deepStrictEqual([again.status, again.body], [202, { replayed: 1 }])
      assert.strictEqual((await events(`projection=search&entity_id=${tag}`)).items[0]!["status"], "dead")
      isProblem(await call("POST", "/api/v1/outbox/replay", { ...said, json: { projection: "realtime" } }), 409)
    }
    await call("POST", `/api/v1/outbox/events/search/${id}/replay`)
    await done(tag)
  })

  it("makes all finished rows due again when asked to", async () => {
    await newTag(call)
    const { body, status } = await call("POST", "/api/v1/outbox/replay", {
      json: { projection: "chronicle", status: "done" }
    })
    assert.strictEqual(status, 202)
    assert.isAbove(body.replayed, 0)
    await until("the chronicle to be told again", async () => {
      const { pending, processing } = await stats("chronicle")
      return pending + processing === 0
    })
    const [doubled] = await running.database.query(
      `select count(*)::int as count
        from (select from chronicle_entries group by entity_id, version having count(*) > 1) as twice`
    )
    assert.strictEqual(doubled!["count"], 0)
  })
})
