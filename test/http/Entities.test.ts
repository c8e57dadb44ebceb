/** What a caller can do to tags, libraries and blocks: contract §3, over the real program. */
import { assert, describe, it } from "@effect/vitest"
import type { Answer } from "../support/HttpCall.ts"
import { apiForAll, created, fresh, isProblem, newLibrary, newTag } from "../support/RunningApi.ts"

const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const utc = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/
const nowhere = "01890000-0000-7000-8000-000000000000"

describe("entities", () => {
  const running = apiForAll({ env: { WORDLOOM_TRACING: "local" } })
  const { call } = running

  const newBlock = async (said: Readonly<Record<string, unknown>> = {}) => {
    const library_id = said["library_id"] ?? (await newLibrary(call))["id"]
    return created(call, "blocks", { library_id, title: fresh("block"), body: "some words", ...said })
  }

  /** One of each kind: how it is made, and a change to it. */
  const kinds: ReadonlyArray<readonly [path: string, make: () => Promise<Record<string, unknown>>, change: string]> = [
    ["tags", async () => ({ name: fresh("tag"), color: "#00FF00" }), "name"],
    ["libraries", async () => ({ name: fresh("library") }), "name"],
    [
      "blocks",
      async () => ({
        library_id: (await newLibrary(call))["id"],
        title: fresh("block"),
        body: "words",
        tag_ids: [(await newTag(call))["id"]]
      }),
      "title"
    ]
  ]

  const isEntity = (answer: Answer, status: number, version: number, fields: Readonly<Record<string, unknown>>) => {
    assert.strictEqual(answer.status, status, answer.text)
    assert.strictEqual(answer.headers["content-type"], "application/json")
    assert.strictEqual(answer.headers["etag"], `"${version}"`)
    const { created_at, id, updated_at, version: said, ...rest } = answer.body
    assert.match(id, uuidV7)
    assert.strictEqual(said, version)
    assert.match(created_at, utc)
    assert.match(updated_at, utc)
    assert.isTrue(updated_at >= created_at)
    assert.deepStrictEqual(rest, fields)
  }

  for (const [path, make, change] of kinds) {
    it(`creates, shows, changes and removes one of the ${path}`, async () => {
      const fields = await make()
      const made = await call("POST", `/api/v1/${path}`, { json: fields })
      isEntity(made, 201, 1, fields)
      const at = `/api/v1/${path}/${made.body.id}`
      assert.strictEqual(made.headers["location"], at)
      const shown = await call("GET", at)
      isEntity(shown, 200, 1, fields)
      assert.deepStrictEqual(shown.body, made.body)

      const changed = await call("PATCH", at, { json: { [change]: "a new one" } })
      isEntity(changed, 200, 2, { ...fields, [change]: "a new one" })
      assert.strictEqual(changed.body.created_at, made.body.created_at)
      assert.deepStrictEqual((await call("GET", at)).body, changed.body)

      const removed = await call("DELETE", at)
      assert.strictEqual(removed.status, 204)
      assert.strictEqual(removed.text, "")
      isProblem(await call("GET", at), 404)
      isProblem(await call("PATCH", at, { json: { [change]: "again" } }), 404)
      isProblem(await call("DELETE", at), 404)
    })

    it(`leaves one outbox row per projection for every change of ${path}, and none for a refused one`, async () => {
      const fields = await make()
      const { body: { id } } = await call("POST", `/api/v1/${path}`, { json: fields })
      const at = `/api/v1/${path}/${id}`
      await call("PATCH", at, { json: { [change]: "changed" } })
      await call("PATCH", at, { json: { [change]: "changed" } })
      await call("PATCH", at, { json: { [change]: "refused" }, headers: { "if-match": "\"1\"" } })
      await call("DELETE", at)
      for (const projection of ["search", "chronicle"]) {
        const rows = await running.database.query(
          `select entity_version, op, status, attempts, traceparent, request_id from ${projection}_outbox_events
           where entity_id = $1 order by entity_version`,
          id
        )
        assert.deepStrictEqual(
          rows.map(({ entity_version, op, status }) => [entity_version, op, status]),
          [[1, "upsert", "pending"], [2, "upsert", "pending"], [3, "delete", "pending"]]
        )
        for (const { request_id, traceparent } of rows) {
          assert.match(traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
          assert.match(request_id, uuidV7)
        }
      }
    })

    it(`leaves one of the ${path} as it is when nothing would change`, async () => {
      const { body, headers: { location } } = await call("POST", `/api/v1/${path}`, { json: await make() })
      const same = await call("PATCH", location!, { json: { [change]: body[change] } })
      assert.strictEqual(same.status, 200)
      assert.strictEqual(same.headers["etag"], "\"1\"")
      assert.deepStrictEqual(same.body, body)
    })

    it(`shows each of the ${path} once, page by page, whatever is removed meanwhile`, async () => {
      const ids: Array<string> = []
      for (let made = 0; made < 11; made++) {
        ids.push((await created(call, path, await make()))["id"])
      }
      const seen: Array<string> = []
      let cursor: string | null = ids[0]!
      for (let pages = 0; cursor !== null && pages < 10; pages++) {
        const { body }: Answer = await call("GET", `/api/v1/${path}?limit=3&cursor=${cursor}`)
        assert.isAtMost(body.items.length, 3)
        seen.push(...body.items.map((item: { id: string }) => item.id))
        if (pages === 0) await call("DELETE", `/api/v1/${path}/${seen.at(-1)!}`)
        cursor = body.next_cursor
      }
      assert.deepStrictEqual(seen, ids.slice(1))
      const all = await call("GET", `/api/v1/${path}?limit=100`)
      assert.isFalse(all.body.items.some(({ id }: { id: string }) => id === seen[2]))
      assert.isNull(all.body.next_cursor)
    })
  }

  it("answers twenty items unless told otherwise", async () => {
    for (let made = 0; made < 21; made++) await newTag(call)
    const { body } = await call("GET", "/api/v1/tags")
    assert.strictEqual(body.items.length, 20)
    assert.strictEqual(body.next_cursor, body.items.at(-1).id)
  })

  it("trims names, and takes an id in upper case", async () => {
    const name = fresh("trimmed")
    const tag = await newTag(call, `  ${name}\n`)
    assert.strictEqual(tag["name"], name)
    assert.strictEqual((await call("GET", `/api/v1/tags/${tag["id"].toUpperCase()}`)).body.id, tag["id"])
  })

  it("answers HEAD as GET, without the body", async () => {
    const tag = await newTag(call)
    const head = await call("HEAD", `/api/v1/tags/${tag["id"]}`)
    assert.strictEqual(head.status, 200)
    assert.strictEqual(head.text, "")
    assert.strictEqual(head.headers["etag"], "\"1\"")
    assert.strictEqual(head.headers["content-length"], String(JSON.stringify(tag).length))
    const missing = await call("HEAD", `/api/v1/tags/${nowhere}`)
    assert.strictEqual(missing.status, 404)
    assert.strictEqual(missing.text, "")
  })

  it("gives a name to one tag only, also when ten ask at once", async () => {
    const name = fresh("taken")
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => call("POST", "/api/v1/tags", { json: { name, color: "#000000" } }))
    )
    const made = answers.filter(({ status }) => status === 201)
    assert.strictEqual(made.length, 1)
    for (const answer of answers) if (answer !== made[0]) isProblem(answer, 409)
    const [{ count }] = await running.database.query(
      `select count(*)::int as count from search_outbox_events where entity_id = $1`,
      made[0]!.body.id
    ) as [{ count: number }]
    assert.strictEqual(count, 1)
    const other = await newTag(call)
    const renamed = await call("PATCH", `/api/v1/tags/${other["id"]}`, { json: { name } })
    isProblem(renamed, 409)
    assert.include(renamed.body.detail, name)
    await call("DELETE", made[0]!.headers["location"]!)
    assert.strictEqual((await call("PATCH", `/api/v1/tags/${other["id"]}`, { json: { name } })).status, 200)
  })

  it("refuses a block of a library or of tags that do not exist, and names them", async () => {
    const library_id = (await newLibrary(call))["id"]
    const tag = (await newTag(call))["id"]
    const fields = { library_id, title: "t", body: "b" }
    const noLibrary = await call("POST", "/api/v1/blocks", { json: { ...fields, library_id: nowhere } })
    isProblem(noLibrary, 404)
    assert.include(noLibrary.body.detail, `library_id names nothing that exists: ${nowhere}`)
    const noTag = await call("POST", "/api/v1/blocks", { json: { ...fields, tag_ids: [tag, nowhere] } })
    isProblem(noTag, 404)
    assert.include(noTag.body.detail, `tag_ids names nothing that exists: ${nowhere}`)
    const block = await newBlock()
    isProblem(await call("PATCH", `/api/v1/blocks/${block["id"]}`, { json: { library_id: nowhere } }), 404)
    isProblem(await call("PATCH", `/api/v1/blocks/${block["id"]}`, { json: { tag_ids: [nowhere] } }), 404)
    assert.deepStrictEqual((await call("GET", `/api/v1/blocks/${block["id"]}`)).body, block)
  })

  it("keeps a library that has blocks", async () => {
    const block = await newBlock()
    const at = `/api/v1/libraries/${block["library_id"]}`
    isProblem(await call("DELETE", at), 409)
    assert.strictEqual((await call("GET", at)).status, 200)
    const elsewhere = await newLibrary(call)
    const moved = await call("PATCH", `/api/v1/blocks/${block["id"]}`, { json: { library_id: elsewhere["id"] } })
    assert.strictEqual(moved.body.library_id, elsewhere["id"])
    assert.strictEqual((await call("DELETE", at)).status, 204)
  })

  it("never leaves a block with a tag that was removed while it was written", async () => {
    const library_id = (await newLibrary(call))["id"]
    const [kept, tag] = [(await newTag(call))["id"], (await newTag(call))["id"]]
    const write = () =>
      call("POST", "/api/v1/blocks", { json: { library_id, title: "race", body: "", tag_ids: [tag, kept] } })
    const writes = Array.from({ length: 6 }, write)
    const [removed, ...answers] = await Promise.all([
      call("DELETE", `/api/v1/tags/${tag}`),
      ...writes,
      ...Array.from({ length: 6 }, write)
    ])
    assert.strictEqual(removed.status, 204)
    for (const answer of answers) {
      assert.include([201, 404], answer.status, answer.text)
      if (answer.status !== 201) continue
      const { body } = await call("GET", answer.headers["location"]!)
      assert.deepStrictEqual(body.tag_ids, [kept])
      assert.strictEqual(body.version, 2)
    }
  })

  it("lets tags be deleted while blocks that have them are changed and deleted: nobody waits in a circle", async () => {
    for (let round = 0; round < 5; round++) {
      const library_id = (await newLibrary(call))["id"]
      const tags = await Promise.all(Array.from({ length: 6 }, async () => (await newTag(call))["id"] as string))
      const turned = (by: number) => [...tags.slice(by % tags.length), ...tags.slice(0, by % tags.length)]
      const blocks = await Promise.all(
        Array.from({ length: 20 }, async (_, n) => (await newBlock({ library_id, tag_ids: turned(n) }))["id"] as string)
      )
      const answers = await Promise.all([
        ...blocks.slice(0, 12).map((id, n) =>
          call("PATCH", `/api/v1/blocks/${id}`, { json: { tag_ids: turned(n + 3) } })
        ),
        ...tags.map((id) => call("DELETE", `/api/v1/tags/${id}`)),
        ...blocks.slice(8, 16).map((id) => call("DELETE", `/api/v1/blocks/${id}`))
      ])
      // A block may be gone, or a tag that a change names.
      for (const answer of answers) assert.include([200, 204, 404], answer.status, answer.text)
      for (const id of blocks) {
        const { body, status } = await call("GET", `/api/v1/blocks/${id}`)
        if (status === 200) assert.deepStrictEqual(body.tag_ids, [])
      }
    }
  })

  it("counts every one of ten changes that come at once", async () => {
    const tag = await newTag(call)
    const at = `/api/v1/tags/${tag["id"]}`
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, n) => call("PATCH", at, { json: { color: `#00000${n}` } }))
    )
    assert.deepStrictEqual(answers.map(({ status }) => status), Array.from({ length: 10 }, () => 200))
    assert.sameMembers(answers.map(({ body }) => body.version), [2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    assert.strictEqual((await call("GET", at)).body.version, 11)
  })
})
