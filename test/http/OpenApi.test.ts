/** The contract as a document, its reader, and the start page. */
import { assert, describe, it } from "@effect/vitest"
import { afterAll, beforeAll } from "vitest"
import { newTag, type RunningApi, runningApi } from "../support/RunningApi.ts"

const routes: Readonly<Record<string, ReadonlyArray<string>>> = {
  ...Object.fromEntries(["tags", "libraries", "blocks"].flatMap((path) => [
    [`/api/v1/${path}`, ["get", "post"]],
    [`/api/v1/${path}/{id}`, ["delete", "get", "patch"]]
  ])),
  "/api/v1/search": ["get"],
  "/api/v1/chronicle": ["get"],
  "/api/v1/outbox/stats": ["get"],
  "/api/v1/outbox/events": ["get"],
  "/api/v1/outbox/events/{projection}/{id}/replay": ["post"],
  "/api/v1/outbox/replay": ["post"],
  "/api/v1/outbox/{projection}/pause": ["post"],
  "/api/v1/outbox/{projection}/resume": ["post"]
}

interface Operation {
  readonly operationId: string
  readonly parameters: ReadonlyArray<{ readonly name: string; readonly in: string; readonly required: boolean }>
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, unknown>>; readonly headers?: object }>
  >
}

describe("the contract as a document", () => {
  let running: RunningApi
  let paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  const call: RunningApi["call"] = (...said) => running.call(...said)

  beforeAll(async () => {
    running = await runningApi()
    const { body, headers, status } = await call("GET", "/openapi.json")
    assert.strictEqual(status, 200)
    assert.match(headers["content-type"]!, /^application\/json/)
    assert.match(body.openapi, /^3\.1\./)
    paths = body.paths
  })
  afterAll(() => running.stop())

  const operations = () =>
    Object.entries(paths).flatMap(([path, byMethod]) =>
      Object.entries(byMethod).map(([method, operation]) => ({ method, operation, path }))
    )

  it("names every route with its methods", () => {
    for (const [path, methods] of Object.entries(routes)) {
      assert.sameMembers(Object.keys(paths[path] ?? {}), [...methods], path)
    }
  })

  it("is told by the program itself: what it names is there, and takes no other method", async () => {
    for (const { method, path } of operations()) {
      const at = path.replace("{id}", "1").replace("{projection}", "search")
      const { status } = await call(method === "post" || method === "patch" ? "PUT" : "OPTIONS", at)
      assert.strictEqual(status, 405, `${method} ${path}`)
    }
  })

  it("gives every operation an id of its own, and every error as a problem", () => {
    const ids = operations().map(({ operation }) => operation.operationId)
    assert.strictEqual(new Set(ids).size, ids.length)
    for (const { operation, path } of operations()) {
      for (const [status, { content }] of Object.entries(operation.responses)) {
        if (Number(status) >= 400) assert.deepStrictEqual(Object.keys(content!), ["application/problem+json"], path)
      }
      assert.property(operation.responses, "503", path)
    }
  })

  it("names the headers and the statuses of writes", () => {
    for (const path of ["tags", "libraries", "blocks"]) {
      const { post } = paths[`/api/v1/${path}`]!
      const { delete: remove, patch } = paths[`/api/v1/${path}/{id}`]!
      const headersOf = (operation: Operation) =>
        operation.parameters.filter((parameter) => parameter.in === "header").map(({ name }) => name)
      assert.sameMembers(headersOf(post!), ["idempotency-key", "prefer"])
      for (const change of [patch, remove]) {
        assert.sameMembers(headersOf(change!), ["idempotency-key", "prefer", "if-match"])
      }
      assert.includeMembers(Object.keys(post!.responses), ["201", "400", "404", "409"])
      const waited = ["preference-applied", "x-search-visible"]
      assert.hasAllKeys(post!.responses["201"]!.headers!, ["etag", "location", ...waited])
      assert.hasAllKeys(patch!.responses["200"]!.headers!, ["etag", ...waited])
      assert.hasAllKeys(remove!.responses["204"]!.headers!, waited)
      for (const header of Object.values(remove!.responses["204"]!.headers!)) assert.isNotTrue(header.required)
      assert.includeMembers(Object.keys(patch!.responses), ["200", "400", "404", "409", "412"])
      assert.includeMembers(Object.keys(remove!.responses), ["204", "404", "409", "412"])
    }
  })

  it("says of a tag what the program answers", async () => {
    const schema = (paths["/api/v1/tags"]!["post"] as any).responses["201"].content["application/json"].schema
    assert.sameMembers(schema.required, Object.keys(await newTag(call)))
    assert.sameMembers(
      (paths["/api/v1/tags"]!["post"] as any).requestBody.content["application/json"].schema.required,
      ["name", "color"]
    )
  })

  it("can be read at /docs, and the start page at /", async () => {
    for (const path of ["/docs", "/"]) {
      const { headers, status, text } = await call("GET", path)
      assert.strictEqual(status, 200)
      assert.match(headers["content-type"]!, /^text\/html/)
      assert.match(text, /^<!doctype html>/i)
      assert.match(text, /wordloom/i)
    }
  })

  it("lets the start page load nothing from elsewhere", async () => {
    const { headers, text } = await call("GET", "/")
    assert.match(headers["content-security-policy"] as string, /default-src 'none'/)
    assert.strictEqual(headers["x-content-type-options"], "nosniff")
    assert.notMatch(text, /<(script|link|img)[^>]+(src|href)="https?:/i)
  })
})
