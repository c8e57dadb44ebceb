/** Search and chronicle as a caller sees them, with the worker that writes them running beside the API. */
import { assert, describe, it } from "@effect/vitest"
import type { Answer } from "../support/HttpCall.ts"
import { until } from "../support/Programs.ts"
import { apiForAll, created, fresh, newLibrary, newTag } from "../support/RunningApi.ts"

interface Hit {
  readonly kind: string
  readonly id: string
  readonly title: string
  readonly snippet: string
  readonly score: number
  readonly version: number
}

describe("search and chronicle", () => {
  const running = apiForAll({ worker: true, env: { WORDLOOM_TRACING: "local" } })
  const { call } = running

  const search = async (parameters: Readonly<Record<string, string>>) => {
    const answer = await call("GET", `/api/v1/search?${new URLSearchParams(parameters).toString()}`)
    assert.strictEqual(answer.status, 200, answer.text)
    assert.hasAllKeys(answer.body, ["items", "next_cursor", "engine"])
    assert.strictEqual(answer.body.engine, "postgres")
    return answer.body as { readonly items: ReadonlyArray<Hit>; readonly next_cursor: string | null }
  }
  const idsOf = async (parameters: Readonly<Record<string, string>>) =>
    (await search(parameters)).items.map(({ id }) => id)

  /** Everything that was written so far is searchable and told. */
  const settled = () =>
    until("the outboxes to be empty", async () => {
      const { body } = await call("GET", "/api/v1/outbox/stats")
      return body.projections.every((one: { pending: number; processing: number }) =>
        one.pending + one.processing === 0
      )
    })

  /** A word that no other test uses. */
  const word = () => fresh("word").replaceAll(" ", "")

  const newBlock = async (said: Readonly<Record<string, unknown>>) =>
    created(call, "blocks", {
      library_id: said["library_id"] ?? (await newLibrary(call))["id"],
      title: "t",
      body: "",
      ...said
    })

  it("finds what was written, says where, and marks it", async () => {
    const it = word()
    const block = await newBlock({
      title: `A <b>title</b> of ${it}`,
      body: `before & <script>alert("${it}")</script> after`
    })
    await settled()
    const { items, next_cursor } = await search({ q: it })
    assert.isNull(next_cursor)
    assert.strictEqual(items.length, 1)
    const [hit] = items as [Hit]
    assert.hasAllKeys(hit, ["kind", "id", "title", "snippet", "score", "version"])
    assert.deepInclude(hit, { kind: "block", id: block["id"], title: block["title"], version: 1 })
    assert.isAbove(hit.score, 0)
    assert.include(hit.snippet, `<mark>${it}</mark>`)
    assert.notInclude(hit.snippet.replaceAll(/<\/?mark>/g, ""), "<")
  })

  it("finds tags and libraries by name, and each kind alone", async () => {
    const it = word()
    const [tag, library] = [await newTag(call, it), await newLibrary(call, `${it} library`)]
    const block = await newBlock({ title: it, library_id: library["id"] })
    await settled()
    assert.sameMembers(await idsOf({ q: it }), [tag["id"], library["id"], block["id"]])
    assert.deepStrictEqual(await idsOf({ q: it, kind: "tag" }), [tag["id"]])
    assert.deepStrictEqual(await idsOf({ q: it, kind: "library" }), [library["id"]])
    assert.deepStrictEqual(await idsOf({ q: it, kind: "block" }), [block["id"]])
    assert.deepStrictEqual(await idsOf({ q: it, library_id: library["id"] }), [block["id"]])
    assert.deepStrictEqual(await idsOf({ q: it, library_id: tag["id"] }), [])
  })

  it("forgets the old title and what was removed", async () => {
    const [before, after] = [word(), word()]
    const block = await newBlock({ title: before })
    await call("PATCH", `/api/v1/blocks/${block["id"]}`, { json: { title: after } })
    await settled()
    assert.deepStrictEqual(await idsOf({ q: before }), [])
    const { items: [hit] } = await search({ q: after })
    assert.strictEqual(hit?.version, 2)
    await call("DELETE", `/api/v1/blocks/${block["id"]}`)
    await settled()
    assert.deepStrictEqual(await idsOf({ q: after }), [])
  })

  it("takes a deleted tag off its blocks, and projects them anew", async () => {
    const it = word()
    const [tag, other] = [await newTag(call, `${it} doomed`), await newTag(call)]
    const library_id = (await newLibrary(call))["id"]
    const tagged = await Promise.all(
      [1, 2, 3].map((n) => newBlock({ title: `${it} ${n}`, library_id, tag_ids: [other["id"], tag["id"]] }))
    )
    const untagged = await newBlock({ title: `${it} untagged`, library_id, tag_ids: [other["id"]] })
    await settled()
    const ids = tagged.map(({ id }) => id)
    for (const asked of [tag["id"], tag["name"]]) assert.sameMembers(await idsOf({ q: it, tag: asked }), ids)

    assert.strictEqual((await call("DELETE", `/api/v1/tags/${tag["id"]}`)).status, 204)
    for (const id of ids) {
      const { body, headers } = await call("GET", `/api/v1/blocks/${id}`)
      assert.deepStrictEqual(body.tag_ids, [other["id"]])
      assert.strictEqual(headers["etag"], "\"2\"")
    }
    assert.strictEqual((await call("GET", `/api/v1/blocks/${untagged["id"]}`)).body.version, 1)
    await settled()
    for (const asked of [tag["id"], tag["name"]]) assert.deepStrictEqual(await idsOf({ q: it, tag: asked }), [])
    const { items } = await search({ q: it, tag: other["id"] })
    assert.sameMembers(items.map(({ id, version }) => `${id} ${version}`), [
      ...ids.map((id) => `${id} 2`),
      `${untagged["id"]} 1`
    ])
    const told = await call("GET", `/api/v1/chronicle?entity_id=${ids[0]}`)
    assert.deepInclude(told.body.items[0], { op: "upsert", version: 2 })
    assert.deepStrictEqual(told.body.items[0].changes, [
      { field: "tag_ids", from: [other["id"], tag["id"]], to: [other["id"]] }
    ])
  })

  it("finds nothing under a tag that does not exist", async () => {
    const it = word()
    await newBlock({ title: it })
    await settled()
    assert.deepStrictEqual(await idsOf({ q: it, tag: "no such tag" }), [])
    assert.deepStrictEqual(await idsOf({ q: it, tag: "01890000-0000-7000-8000-000000000000" }), [])
  })

  const pages = async (path: string, parameters: Readonly<Record<string, string>>) => {
    const seen: Array<Record<string, any>> = []
    let cursor: string | null | undefined
    for (let page = 0; page === 0 || cursor !== null && page < 50; page++) {
      const more: Readonly<Record<string, string>> = cursor === undefined ? {} : { cursor: cursor! }
      const { body, status, text }: Answer = await call(
        "GET",
        `${path}?${new URLSearchParams({ ...parameters, ...more }).toString()}`
      )
      assert.strictEqual(status, 200, text)
      assert.isAtMost(body.items.length, Number(parameters["limit"]))
      seen.push(...body.items)
      cursor = body.next_cursor
    }
    assert.isNull(cursor)
    return seen
  }

  it("shows every hit once, page by page, best first", async () => {
    const it = word()
    const library_id = (await newLibrary(call))["id"]
    const blocks = await Promise.all(
      Array.from(
        { length: 12 },
        (_, n) => newBlock({ library_id, title: n % 3 === 0 ? it : `t${n}`, body: `${it} `.repeat(1 + n % 4) })
      )
    )
    await settled()
    const hits = await pages("/api/v1/search", { q: it, limit: "5" })
    assert.sameMembers(hits.map(({ id }) => id), blocks.map(({ id }) => id))
    const scores = hits.map(({ score }) => score)
    assert.deepStrictEqual(scores, scores.toSorted((a, b) => b - a))
  })

  it("tells of every version once, newest first, by whom and in which request and trace", async () => {
    const headers = { "x-request-id": fresh("told").replaceAll(" ", "-") }
    const made = await call("POST", "/api/v1/tags", { headers, json: { name: word(), color: "#000000" } })
    const at = made.headers["location"]!
    for (const n of [1, 2, 3]) await call("PATCH", at, { json: { color: `#00000${n}` } })
    await call("DELETE", at)
    await settled()
    const entries = await pages("/api/v1/chronicle", { entity_id: made.body.id, entity_type: "tag", limit: "2" })
    assert.deepStrictEqual(entries.map(({ op, version }) => [version, op]), [
      [5, "delete"],
      [4, "upsert"],
      [3, "upsert"],
      [2, "upsert"],
      [1, "upsert"]
    ])
    const first = entries.at(-1)!
    assert.hasAllKeys(first, [
      "entity_type",
      "entity_id",
      "version",
      "op",
      "actor",
      "changes",
      "at",
      "request_id",
      "trace_id"
    ])
    assert.deepInclude(first, {
      entity_type: "tag",
      entity_id: made.body.id,
      actor: "anonymous",
      request_id: headers["x-request-id"],
      trace_id: (made.headers["traceparent"] as string).slice(3, 35)
    })
    assert.deepStrictEqual(first["changes"], [
      { field: "name", from: null, to: made.body.name },
      { field: "color", from: null, to: "#000000" }
    ])
    assert.deepStrictEqual(entries[1]!["changes"], [{ field: "color", from: "#000002", to: "#000003" }])
    assert.deepStrictEqual(
      (await call("GET", `/api/v1/chronicle?entity_id=${made.body.id}&entity_type=block`)).body.items,
      []
    )
    const all = await pages("/api/v1/chronicle", { limit: "7" })
    const keys = all.map(({ entity_id, version }) => `${entity_id} ${version}`)
    assert.strictEqual(new Set(keys).size, keys.length)
    const rows = await running.database.query("select count(*)::int as count from chronicle_entries")
    assert.strictEqual(keys.length, rows[0]!["count"])
    const times = all.map(({ at: when }) => when)
    assert.deepStrictEqual(times, times.toSorted().toReversed())
  })
})
