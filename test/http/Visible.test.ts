/** `Prefer: wait`: whoever asks for it searches after the answer, and finds what was written. */
import { assert, describe, it } from "@effect/vitest"
import type { Answer, Said } from "../support/HttpCall.ts"
import { until } from "../support/Programs.ts"
import { parseMetrics } from "../support/Prometheus.ts"
import { apiForAll, fresh, isProblem, newTag } from "../support/RunningApi.ts"

const word = () => fresh("visible").replaceAll(" ", "")
const wait = (seconds: number | string) => ({ prefer: `wait=${seconds}` })

const told = ({ headers, status, text }: Answer, expected: number, visible: boolean) => {
  assert.strictEqual(status, expected, text)
  assert.strictEqual(headers["preference-applied"], "wait")
  assert.strictEqual(headers["x-search-visible"], String(visible))
}
const untold = ({ headers }: Answer) => {
  assert.isUndefined(headers["preference-applied"])
  assert.isUndefined(headers["x-search-visible"])
}

describe("a write that waits until it can be found", () => {
  const running = apiForAll({ worker: true })
  const { call } = running

  const found = async (q: string) => {
    const { body } = await call("GET", `/api/v1/search?${new URLSearchParams({ q }).toString()}`)
    return (body.items as ReadonlyArray<{ id: string; version: number }>).map(({ id, version }) => `${id} ${version}`)
  }
  const tag = (name: string, said: Said = {}) =>
    call("POST", "/api/v1/tags", { json: { name, color: "#1E90FF" }, ...said })

  it("is found by the very next search, in each of its versions, and then no more", async () => {
    const library = await call("POST", "/api/v1/libraries", { json: { name: word() }, headers: wait(20) })
    told(library, 201, true)
    const kinds: ReadonlyArray<readonly [path: string, json: (it: string) => object]> = [
      ["tags", (it) => ({ name: it, color: "#1E90FF" })],
      ["libraries", (it) => ({ name: it })],
      ["blocks", (it) => ({ title: it, body: "", library_id: library.body.id })]
    ]
    for (const [path, json] of kinds) {
      const [before, after] = [word(), word()]
      const made = await call("POST", `/api/v1/${path}`, { json: json(before), headers: wait(20) })
      told(made, 201, true)
      const at = made.headers["location"]!
      assert.deepStrictEqual(await found(before), [`${made.body.id} 1`])
      told(await call("PATCH", at, { json: json(after), headers: wait(20) }), 200, true)
      assert.deepStrictEqual([await found(before), await found(after)], [[], [`${made.body.id} 2`]])
      told(await call("DELETE", at, { headers: wait(20) }), 204, true)
      assert.deepStrictEqual(await found(after), [])
    }
  })

  it("waits for the version that there is when it changes nothing", async () => {
    const it = word()
    const made = await tag(it)
    const same = await call("PATCH", made.headers["location"]!, { json: { name: it }, headers: wait(20) })
    told(same, 200, true)
    assert.deepStrictEqual(await found(it), [`${made.body.id} 1`])
  })

  it("waits as well when the same request is answered again, the removal too", async () => {
    const it = word()
    const headers = { ...wait(20), "idempotency-key": word() }
    const [first, again] = [await tag(it, { headers }), await tag(it, { headers })]
    for (const answer of [first, again]) told(answer, 201, true)
    assert.deepStrictEqual(again.body, first.body)
    const removal = { headers: { ...wait(20), "idempotency-key": word() } }
    for (let n = 0; n < 2; n++) told(await call("DELETE", first.headers["location"]!, removal), 204, true)
    assert.deepStrictEqual(await found(it), [])
  })

  it("understands a removal that was remembered by an older version", async () => {
    const made = await newTag(call, word())
    const at = `/api/v1/tags/${made["id"]}`
    const key = word()
    await call("DELETE", at, { headers: { "idempotency-key": key } })
    await running.database.query("update idempotency_keys set answer = 'null' where key = $1", key)
    told(await call("DELETE", at, { headers: { ...wait(20), "idempotency-key": key } }), 204, true)
  })

  it("says nothing of it where nothing was asked, or nothing that can be understood", async () => {
    untold(await tag(word()))
    for (const prefer of ["respond-async", "wait", "wait=soon", "wait=-1"]) {
      const answer = await tag(word(), { headers: { prefer } })
      assert.strictEqual(answer.status, 201)
      untold(answer)
    }
    // As two lines of the header.
    told(await tag(word(), { headers: { prefer: ["handling=lenient", "wait=20"] } }), 201, true)
  })

  it("says nothing of it when it is refused", async () => {
    const it = word()
    await newTag(call, it)
    const missing = `/api/v1/tags/${crypto.randomUUID()}`
    const refusals = [
      [await tag(it, { headers: wait(20) }), 409],
      [await tag("", { headers: wait(20) }), 400],
      [await call("PATCH", missing, { json: { color: "#000000" }, headers: wait(20) }), 404],
      [await call("DELETE", missing, { headers: wait(20) }), 404]
    ] as const
    for (const [answer, status] of refusals) {
      isProblem(answer, status)
      untold(answer)
    }
  })

  it("stands, and says that it cannot be found yet, when that takes longer than it would wait", async () => {
    await call("POST", "/api/v1/outbox/search/pause")
    const [name, once] = [word(), word()]
    const answers = await Promise.all([tag(name, { headers: wait(1) }), tag(once, { headers: wait(0) })])
    for (const answer of answers) told(answer, 201, false)
    for (const { body, headers } of answers) {
      assert.deepStrictEqual((await call("GET", headers["location"]!)).body, body)
    }
    await call("POST", "/api/v1/outbox/search/resume")
    await until("both to be found", async () => (await found(name)).length + (await found(once)).length === 2)
    told(await call("PATCH", answers[0].headers["location"]!, { json: { name }, headers: wait(0) }), 200, true)
  })

  it("hears at once that its row is dead, and is found once that is replayed", async () => {
    await call("POST", "/api/v1/outbox/search/pause")
    const it = word()
    const answered = tag(it, { headers: wait(20) })
    const where = `entity_id = (select id from tags where name = '${it}')`
    await until(
      "the row",
      async () => (await running.database.query(`select from search_outbox_events where ${where}`)).length === 1
    )
    await running.database.query(`with gone as (delete from outbox_search where ${where} returning *)
      insert into outbox_dead (projection, id, attempts, error_type, entity_type, entity_id, entity_version, op, actor,
        created_at)
      select 'search', id, 1, 'es_mapping', entity_type, entity_id, entity_version, op, actor, created_at from gone`)
    const answer = await answered
    told(answer, 201, false)
    await call("POST", "/api/v1/outbox/search/resume")
    await call("POST", "/api/v1/outbox/replay", { json: { projection: "search" } })
    told(await call("PATCH", answer.headers["location"]!, { json: { name: it }, headers: wait(20) }), 200, true)
    assert.deepStrictEqual(await found(it), [`${answer.body.id} 1`])
  })

  it("is told in a histogram, by how it ended", async () => {
    const metrics = parseMetrics((await call("GET", "/metrics")).text)
    const { samples, type } = metrics.get("wordloom_search_visible_wait_seconds")!
    assert.strictEqual(type, "histogram")
    const results = new Set(samples.map(({ labels }) => labels["result"]))
    assert.includeMembers(["visible", "dead", "timeout", "unavailable", "crowded", "stopping"], [...results] as never)
    assert.includeMembers([...results] as never, ["visible", "dead", "timeout"])
  })
})
