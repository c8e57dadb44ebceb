/** Whatever a caller sends: the answer says which field does not fit, and nothing is written. */
import { assert, describe, it } from "@effect/vitest"
import { excerpt } from "../../src/domain/Text.ts"
import type { Said } from "../support/HttpCall.ts"
import { apiForAll, fresh, isProblem, newLibrary, newTag } from "../support/RunningApi.ts"

const id = "01890000-0000-7000-8000-00000000abcd"
const nul = "a\u0000b"
const half = "a\ud800b"

describe("invalid input", () => {
  const running = apiForAll({ env: { WORDLOOM_TRACING: "local" } })
  const { call } = running

  const written = async () =>
    (await running.database.query(`select (select count(*) from tags) + (select count(*) from libraries) +
      (select count(*) from blocks) + (select count(*) from search_outbox_events) as n`))[0]!["n"]

  const refused = async (method: string, path: string, said: Said, paths: ReadonlyArray<string>) => {
    const before = await written()
    isProblem(await call(method, path, said), 400, paths)
    assert.strictEqual(await written(), before)
  }

  const tag = { name: "n", color: "#123456" }
  const block = { library_id: id, title: "t", body: "b" }

  const bodies: ReadonlyArray<readonly [what: string, path: string, json: unknown, paths: ReadonlyArray<string>]> = [
    ["a missing field", "tags", { name: "n" }, ["color"]],
    ["every missing field", "tags", {}, ["name", "color"]],
    ["an unknown field", "tags", { ...tag, colour: "#123456" }, ["colour"]],
    ["a field that only we set", "tags", { ...tag, id, version: 1 }, ["id", "version"]],
    ["all mistakes at once", "tags", { name: 1, color: "red", extra: true }, ["name", "color", "extra"]],
    ["a number for text", "tags", { ...tag, name: 1 }, ["name"]],
    ["null for text", "tags", { ...tag, name: null }, ["name"]],
    ["a list for text", "tags", { ...tag, name: ["n"] }, ["name"]],
    ["an object for text", "tags", { ...tag, name: { n: 1 } }, ["name"]],
    ["an empty name", "tags", { ...tag, name: "" }, ["name"]],
    ["a blank name", "tags", { ...tag, name: " \t\n\u3000" }, ["name"]],
    ["a name that is too long", "tags", { ...tag, name: "x".repeat(201) }, ["name"]],
    ["a NUL in a name", "tags", { ...tag, name: nul }, ["name"]],
    ["half a surrogate pair in a name", "tags", { ...tag, name: half }, ["name"]],
    ["the other half", "tags", { ...tag, name: "\udc00" }, ["name"]],
    ["a colour's name", "tags", { ...tag, color: "red" }, ["color"]],
    ["a colour that is too short", "tags", { ...tag, color: "#FFF" }, ["color"]],
    ["a colour with a line break", "tags", { ...tag, color: "#123456\n" }, ["color"]],
    ["a library without a name", "libraries", {}, ["name"]],
    ["a library's unknown field", "libraries", { name: "n", color: "#123456" }, ["color"]],
    ["a NUL in a title", "blocks", { ...block, title: nul }, ["title"]],
    ["a title that is too long", "blocks", { ...block, title: "x".repeat(501) }, ["title"]],
    ["half a surrogate pair in a body", "blocks", { ...block, body: half }, ["body"]],
    ["a body that is too long", "blocks", { ...block, body: "x".repeat(100_001) }, ["body"]],
    ["a library id that is none", "blocks", { ...block, library_id: "1" }, ["library_id"]],
    ["tags that are no list", "blocks", { ...block, tag_ids: id }, ["tag_ids"]],
    ["tags that are null", "blocks", { ...block, tag_ids: null }, ["tag_ids"]],
    ["one tag id that is none", "blocks", { ...block, tag_ids: [id, "x"] }, ["tag_ids.1"]],
    ["a tag twice", "blocks", { ...block, tag_ids: [id, id] }, ["tag_ids"]],
    ["a tag twice, once in upper case", "blocks", { ...block, tag_ids: [id, id.toUpperCase()] }, ["tag_ids"]],
    [
      "too many tags",
      "blocks",
      { ...block, tag_ids: Array.from({ length: 65 }, (_, n) => id.slice(0, -2) + String(n).padStart(2, "0")) },
      ["tag_ids"]
    ],
    ["a list", "tags", [tag], ["body"]],
    ["a text", "tags", "tag", ["body"]],
    ["null", "tags", null, ["body"]]
  ]

  for (const [what, path, json, paths] of bodies) {
    it(`refuses ${what}`, () => refused("POST", `/api/v1/${path}`, { body: JSON.stringify(json) }, paths))
  }

  const raw: ReadonlyArray<readonly [what: string, body: string | Uint8Array, paths: ReadonlyArray<string>]> = [
    ["no body at all", "", ["body"]],
    ["half a body", `{"name":"n","color":`, ["body"]],
    ["something after the body", `${JSON.stringify(tag)}}`, ["body"]],
    ["single quotes", `{'name':'n'}`, ["body"]],
    ["a number beyond all numbers", `{"name":1e400,"color":"#123456"}`, ["name"]],
    ["NaN", `{"name":NaN,"color":"#123456"}`, ["body"]],
    ["__proto__", `{"name":"n","color":"#123456","__proto__":{"version":7}}`, ["__proto__"]],
    ["constructor", `{"name":"n","color":"#123456","constructor":1,"toString":2}`, ["constructor", "toString"]],
    ["deep lists", `${"[".repeat(100_000)}${"]".repeat(100_000)}`, ["body"]],
    ["deep lists in a field", `{"name":${"[".repeat(100_000)}${"]".repeat(100_000)},"color":"#123456"}`, ["name"]],
    ["deep objects in a field", `{"color":"#123456","name":${`{"a":`.repeat(40_000)}1${"}".repeat(40_000)}}`, ["name"]],
    ["broken UTF-8", Buffer.from([...Buffer.from(`{"color":"#123456","name":"a`), 0xff, ...Buffer.from(`b"}`)]), [
      "body"
    ]],
    [
      "UTF-8 cut in two",
      Buffer.from([...Buffer.from(`{"color":"#123456","name":"a`), 0xe2, 0x82, ...Buffer.from(`"}`)]),
      ["body"]
    ],
    [
      "a surrogate in UTF-8",
      Buffer.from([...Buffer.from(`{"color":"#123456","name":"`), 0xed, 0xa0, 0x80, ...Buffer.from(`"}`)]),
      ["body"]
    ],
    ["UTF-16", Buffer.from(JSON.stringify(tag), "utf16le"), ["body"]]
  ]

  for (const [what, body, paths] of raw) {
    it(`refuses ${what}`, () => refused("POST", "/api/v1/tags", { body }, paths))
  }

  it("takes the last of two fields of one name, as JSON.parse does", async () => {
    const name = fresh("last")
    const { body, status } = await call("POST", "/api/v1/tags", {
      body: `{"name":1,"color":"#123456","name":"${name}"}`
    })
    assert.strictEqual(status, 201)
    assert.strictEqual(body.name, name)
  })

  it("takes what only looks dangerous, and gives it back unchanged", async () => {
    const name = `${fresh("<script>")} '; drop table tags; -- \u2028 \u202e \u001b[31m \r\n 🧵 %00 $1 \\u0000 ${
      "é".repeat(9)
    }`
    const made = await newTag(call, name)
    assert.strictEqual(made["name"], name)
    assert.strictEqual((await call("GET", `/api/v1/tags/${made["id"]}`)).body.name, name)
    assert.strictEqual((await newTag(call, "x".repeat(200)))["name"].length, 200)
  })

  it("names twenty mistakes at most", async () => {
    const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`field${n}`, n]))
    const { body, status } = await call("POST", "/api/v1/tags", { json: many })
    assert.strictEqual(status, 400)
    assert.strictEqual(body.errors.length, 20)
    assert.isAtMost(body.detail.length, 500)
  })

  it("does not send back at length what did not fit", async () => {
    const long = { ...tag, ["k".repeat(100_000)]: "v", color: "c".repeat(100_000) }
    const { status, text } = await call("POST", "/api/v1/tags", { json: long })
    assert.strictEqual(status, 400)
    assert.isBelow(text.length, 2_000)
  })

  const patches: ReadonlyArray<readonly [what: string, json: unknown, paths: ReadonlyArray<string>]> = [
    ["no field at all", {}, ["body"]],
    ["an unknown field", { nome: "n" }, ["nome"]],
    ["a field taken away", { name: null }, ["name"]],
    ["the version", { version: 3 }, ["version"]]
  ]
  for (const [what, json, paths] of patches) {
    it(`refuses a change of ${what}`, async () => {
      const at = `/api/v1/tags/${(await newTag(call))["id"]}`
      await refused("PATCH", at, { json }, paths)
    })
  }

  const places: ReadonlyArray<readonly [method: string, path: string, paths: ReadonlyArray<string>]> = [
    ...["0", "-1", "101", "1.5", "abc", "", "1e400", "NaN", "%20", "%00", "9".repeat(400)].map((limit) =>
      ["GET", `/api/v1/tags?limit=${limit}`, ["limit"]] as const
    ),
    ["GET", "/api/v1/tags?limit=1&limit=2", ["limit"]],
    ["GET", "/api/v1/tags?cursor=abc", ["cursor"]],
    ["GET", "/api/v1/libraries?cursor=%00", ["cursor"]],
    ["GET", "/api/v1/tags/1", ["id"]],
    ["GET", `/api/v1/tags/${id}0`, ["id"]],
    ["GET", "/api/v1/libraries/%00", ["id"]],
    ["GET", "/api/v1/blocks/%F0%9F%A7%B5", ["id"]],
    ["DELETE", "/api/v1/blocks/..%2f..%2ftags", ["id"]],
    ["GET", "/api/v1/search", ["q"]],
    ["GET", "/api/v1/search?q=", ["q"]],
    ["GET", `/api/v1/search?q=${"x".repeat(257)}`, ["q"]],
    ["GET", "/api/v1/search?q=a&q=b", ["q"]],
    ["GET", "/api/v1/search?q=a%00b", ["q"]],
    ["GET", "/api/v1/search?q=%22...%22", ["q"]],
    ["GET", "/api/v1/search?q=-only%20-without", ["q"]],
    ["GET", `/api/v1/search?q=${"a%20".repeat(33)}`, ["q"]],
    ["GET", "/api/v1/search?q=a&kind=author", ["kind"]],
    ["GET", "/api/v1/search?q=a&library_id=1", ["library_id"]],
    ["GET", "/api/v1/search?q=a&tag=", ["tag"]],
    ["GET", "/api/v1/search?q=a&tag=%00", ["tag"]],
    ["GET", `/api/v1/search?q=a&tag=${"x".repeat(201)}`, ["tag"]],
    ["GET", "/api/v1/search?q=a&limit=0", ["limit"]],
    ["GET", "/api/v1/chronicle?cursor=nonsense", ["cursor"]],
    ["GET", "/api/v1/chronicle?cursor=", ["cursor"]],
    ["GET", "/api/v1/outbox/events?cursor=nonsense", ["cursor"]],
    ["GET", "/api/v1/outbox/events?projection=search&cursor=e30", ["cursor"]],
    ["GET", "/api/v1/search?q=a&cursor=nonsense", ["cursor"]],
    ["GET", `/api/v1/search?q=a&cursor=${"x".repeat(1_025)}`, ["cursor"]],
    ["GET", "/api/v1/chronicle?entity_type=author", ["entity_type"]],
    ["GET", "/api/v1/chronicle?entity_id=1", ["entity_id"]],
    ["GET", "/api/v1/outbox/events?projection=nowhere", ["projection"]],
    ["GET", "/api/v1/outbox/events?status=lost", ["status"]],
    ["GET", "/api/v1/outbox/events?entity_id=1", ["entity_id"]],
    ["GET", `/api/v1/outbox/events?trace_id=${"A".repeat(32)}`, ["trace_id"]],
    ["GET", "/api/v1/explain", ["query"]],
    ["GET", `/api/v1/explain?block=${id}&trace_id=${"a".repeat(32)}`, ["block", "trace_id"]],
    ["GET", "/api/v1/explain?library=1", ["library"]],
    ["GET", "/api/v1/explain?event=search/0", ["event"]],
    ["POST", "/api/v1/outbox/events/nowhere/1/replay", ["projection"]],
    ...["0", "-1", "1.5", "abc", "9007199254740993", "99999999999999999999", "%00"].map((event) =>
      ["POST", `/api/v1/outbox/events/search/${event}/replay`, ["id"]] as const
    )
  ]
  for (const [method, path, paths] of places) {
    it(`refuses ${method} ${excerpt(path, 80)}`, () => refused(method, path, {}, paths))
  }

  const replays: ReadonlyArray<readonly [json: unknown, paths: ReadonlyArray<string>]> = [
    [{}, ["projection"]],
    [{ projection: "nowhere" }, ["projection"]],
    [{ projection: "search", status: "pending" }, ["status"]],
    [{ projection: "search", error_type: "x".repeat(65) }, ["error_type"]],
    [{ projection: "search", error_type: nul }, ["error_type"]],
    [{ projection: "search", error_type: half }, ["error_type"]],
    [{ projection: "search", after: "yesterday" }, ["after"]],
    [{ projection: "search", after: "2026-02-30T00:00:00Z" }, ["after"]],
    [{ projection: "search", before: "2026-13-01T00:00:00Z" }, ["before"]],
    [{ projection: "search", before: "2026-01-01T25:00:00Z" }, ["before"]],
    [{ projection: "search", before: "2026-01-01T00:00:00+99:00" }, ["before"]],
    [{ projection: "search", before: "0000-01-01T00:00:00Z" }, ["before"]],
    [{ projection: "search", limit: 1 }, ["limit"]]
  ]
  for (const [json, paths] of replays) {
    it(`refuses to replay ${JSON.stringify(json).slice(0, 80)}`, () =>
      refused("POST", "/api/v1/outbox/replay", { json }, paths))
  }

  const pauses: ReadonlyArray<readonly [path: string, json: unknown, paths: ReadonlyArray<string>]> = [
    ["search/pause", { reason: "x".repeat(257) }, ["reason"]],
    ["search/pause", { reason: nul }, ["reason"]],
    ["search/pause", { reason: half }, ["reason"]],
    ["search/pause", { reason: 7 }, ["reason"]],
    ["search/pause", { reason: null }, ["reason"]],
    ["search/pause", { because: "so" }, ["because"]],
    ["search/pause", [], ["body"]],
    ["search/pause", "so", ["body"]],
    ["nowhere/pause", {}, ["projection"]],
    ["Search/pause", {}, ["projection"]],
    ["events/pause", {}, ["projection"]],
    ["%00/pause", {}, ["projection"]]
  ]
  for (const [path, json, paths] of pauses) {
    it(`refuses ${path} ${JSON.stringify(json).slice(0, 80)}`, () =>
      refused("POST", `/api/v1/outbox/${path}`, { json }, paths))
  }
  it("refuses to resume what is no projection", () =>
    refused("POST", "/api/v1/outbox/nowhere/resume", {}, ["projection"]))

  it("refuses a preference that is too long, and takes one it does not know", async () => {
    const library = { json: { name: (await newLibrary(call))["id"] } }
    await refused("POST", "/api/v1/libraries", { ...library, headers: { prefer: "x".repeat(201) } }, ["prefer"])
    const taken = await call("POST", "/api/v1/libraries", { ...library, headers: { prefer: "respond-async, x=\"y\"" } })
    assert.strictEqual(taken.status, 201)
  })
})
