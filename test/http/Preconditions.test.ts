/** Writes that say what they expect (`If-Match`), and writes that may be sent twice (`Idempotency-Key`). */
import { assert, describe, it } from "@effect/vitest"
import { apiForAll, fresh, isProblem, newLibrary, newTag } from "../support/RunningApi.ts"

const keyed = (what: string) => ({ "idempotency-key": fresh(what).replaceAll(" ", "-") })

describe("preconditions", () => {
  const running = apiForAll({ env: { WORDLOOM_TRACING: "local" } })
  const { call } = running

  const tagAtTwo = async () => {
    const at = `/api/v1/tags/${(await newTag(call))["id"]}`
    assert.strictEqual((await call("PATCH", at, { json: { color: "#222222" } })).headers["etag"], "\"2\"")
    return at
  }

  describe("If-Match", () => {
    for (const value of ["\"2\"", "W/\"2\"", "*"]) {
      it(`lets a change with ${value} through at version 2`, async () => {
        const at = await tagAtTwo()
        const headers = { "if-match": value }
        assert.strictEqual((await call("PATCH", at, { headers, json: { color: "#333333" } })).headers["etag"], "\"3\"")
        const other = await tagAtTwo()
        assert.strictEqual((await call("DELETE", other, { headers })).status, 204)
      })
    }

    for (const value of ["\"1\"", "\"3\"", "W/\"1\"", "\"0\"", "\"9999999999\""]) {
      it(`answers 412 to ${value} at version 2, and changes nothing`, async () => {
        const at = await tagAtTwo()
        const headers = { "if-match": value }
        const before = await call("GET", at)
        isProblem(await call("PATCH", at, { headers, json: { color: "#333333" } }), 412)
        isProblem(await call("DELETE", at, { headers }), 412)
        assert.deepStrictEqual((await call("GET", at)).body, before.body)
      })
    }

    for (
      const value of [
        "2",
        "\"two\"",
        "\"2",
        "'2'",
        "\"-1\"",
        "\"1.5\"",
        "w/\"2\"",
        "\"2\", \"3\"",
        "\"12345678901\"",
        ""
      ]
    ) {
      it(`answers 400 to ${value === "" ? "nothing" : value}, which is no tag of ours`, async () => {
        const at = await tagAtTwo()
        const headers = { "if-match": value }
        isProblem(await call("PATCH", at, { headers, json: { color: "#333333" } }), 400, ["if-match"])
        isProblem(await call("DELETE", at, { headers }), 400, ["if-match"])
        assert.strictEqual((await call("GET", at)).headers["etag"], "\"2\"")
      })
    }

    it("answers 404 rather than 412 when there is nothing to match", async () => {
      const headers = { "if-match": "\"1\"" }
      isProblem(await call("DELETE", "/api/v1/tags/01890000-0000-7000-8000-000000000000", { headers }), 404)
    })

    it("lets one of ten changes through that all expect the same version", async () => {
      const at = await tagAtTwo()
      const answers = await Promise.all(
        Array.from(
          { length: 10 },
          (_, n) => call("PATCH", at, { headers: { "if-match": "\"2\"" }, json: { color: `#44440${n}` } })
        )
      )
      assert.strictEqual(answers.filter(({ status }) => status === 200).length, 1)
      for (const answer of answers) if (answer.status !== 200) isProblem(answer, 412)
    })
  })

  describe("Idempotency-Key", () => {
    const count = async (name: string) =>
      (await running.database.query("select count(*)::int as count from tags where name = $1", name))[0]!["count"]

    it("answers a repeated creation with the first answer, to the letter", async () => {
      const said = { headers: keyed("key"), json: { name: fresh("once"), color: "#123456" } }
      const first = await call("POST", "/api/v1/tags", said)
      assert.strictEqual(first.status, 201)
      await call("PATCH", first.headers["location"]!, { json: { color: "#654321" } })
      const again = await call("POST", "/api/v1/tags", said)
      assert.strictEqual(again.status, 201)
      assert.strictEqual(again.text, first.text)
      assert.strictEqual(again.headers["etag"], first.headers["etag"])
      assert.strictEqual(again.headers["location"], first.headers["location"])
      assert.strictEqual(await count(said.json.name), 1)
    })

    it("repeats a change and a removal as well", async () => {
      const tag = await newTag(call)
      const at = `/api/v1/tags/${tag["id"]}`
      const change = { headers: keyed("change"), json: { color: "#ABCDEF" } }
      const first = await call("PATCH", at, change)
      assert.strictEqual(first.headers["etag"], "\"2\"")
      await call("PATCH", at, { json: { color: "#FEDCBA" } })
      assert.strictEqual((await call("PATCH", at, change)).text, first.text)
      assert.strictEqual((await call("GET", at)).body.version, 3)
      const removal = { headers: keyed("removal") }
      assert.strictEqual((await call("DELETE", at, removal)).status, 204)
      assert.strictEqual((await call("DELETE", at, removal)).status, 204)
      isProblem(await call("DELETE", at), 404)
    })

    it("refuses a key that stood for something else", async () => {
      const headers = keyed("reused")
      const json = { name: fresh("first"), color: "#123456" }
      const { headers: { location } } = await call("POST", "/api/v1/tags", { headers, json })
      isProblem(await call("POST", "/api/v1/tags", { headers, json: { ...json, color: "#654321" } }), 409)
      isProblem(await call("POST", "/api/v1/libraries", { headers, json: { name: json.name } }), 409)
      isProblem(await call("PATCH", location!, { headers, json: { color: "#123456" } }), 409)
      isProblem(await call("DELETE", location!, { headers }), 409)
      assert.strictEqual((await call("GET", location!)).body.version, 1)
    })

    it("takes the order of the fields for no difference", async () => {
      const headers = keyed("order")
      const name = fresh("ordered")
      const first = await call("POST", "/api/v1/tags", { headers, body: `{"name":"${name}","color":"#123456"}` })
      const again = await call("POST", "/api/v1/tags", { headers, body: `{ "color": "#123456", "name": "${name}" }` })
      assert.strictEqual(again.status, 201)
      assert.strictEqual(again.text, first.text)
    })

    it("creates one entity when ten ask at once under one key", async () => {
      const said = { headers: keyed("parallel"), json: { name: fresh("ten") } }
      const answers = await Promise.all(Array.from({ length: 10 }, () => call("POST", "/api/v1/libraries", said)))
      for (const answer of answers) {
        assert.strictEqual(answer.status, 201, answer.text)
        assert.strictEqual(answer.text, answers[0]!.text)
      }
      const rows = await running.database.query(
        "select entity_id from search_outbox_events where entity_id = $1",
        answers[0]!.body.id
      )
      assert.strictEqual(rows.length, 1)
    })

    it("takes one of ten that ask at once for different things under one key", async () => {
      const headers = keyed("rivals")
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => call("POST", "/api/v1/libraries", { headers, json: { name: fresh("rival") } }))
      )
      assert.strictEqual(answers.filter(({ status }) => status === 201).length, 1)
      for (const answer of answers) if (answer.status !== 201) isProblem(answer, 409)
    })

    it("does not remember what failed", async () => {
      const name = fresh("taken")
      const tag = await newTag(call, name)
      const said = { headers: keyed("failed"), json: { name, color: "#123456" } }
      isProblem(await call("POST", "/api/v1/tags", said), 409)
      await call("DELETE", `/api/v1/tags/${tag["id"]}`)
      assert.strictEqual((await call("POST", "/api/v1/tags", said)).status, 201)
    })

    for (const key of ["", " ", "two words", "x".repeat(201), "ä", "tab\there"]) {
      it(`answers 400 to ${JSON.stringify(key.slice(0, 20))}`, async () => {
        const name = fresh("never")
        const said = { headers: { "idempotency-key": key }, json: { name, color: "#123456" } }
        isProblem(await call("POST", "/api/v1/tags", said), 400, ["idempotency-key"])
        assert.strictEqual(await count(name), 0)
      })
    }

    it("takes two hundred visible characters", async () => {
      const library = await newLibrary(call)
      const headers = { "idempotency-key": `${library["id"]}${"~".repeat(164)}` }
      assert.strictEqual((await call("POST", "/api/v1/libraries", { headers, json: { name: "long key" } })).status, 201)
    })
  })
})
