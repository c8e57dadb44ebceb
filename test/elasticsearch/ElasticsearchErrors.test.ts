/** Every refusal of Elasticsearch has one meaning, and says nothing of what was refused. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import * as ElasticsearchErrors from "../../layers/elasticsearch/ElasticsearchErrors.ts"
import { detailMax, type Failure } from "../../src/delivery/Failure.ts"

const { errorTypes, refusalOf, resultOfItem, resultsOf, retryAfterMs } = ElasticsearchErrors

const now = Date.parse("2026-11-21T12:00:00Z")

const response = (statusCode: number, type?: string, headers: object = {}, reason = "said so") => ({
  name: "ResponseError",
  meta: { statusCode, headers, body: type === undefined ? "<html>Bad Gateway</html>" : { error: { type, reason } } }
})
const item = (status: number, type?: string, reason = "said so", index = "words-000001") => ({
  index: { _index: index, status, ...(type === undefined ? {} : { error: { type, reason } }) }
})

const said = ({ class: failureClass, errorType }: Failure) => `${failureClass} ${errorType}`
const saidOfItem = (one: unknown) => {
  const result = resultOfItem(one, "words")
  return result._tag === "Failed" ? said(result.failure) : result._tag
}

describe("a whole request", () => {
  const meanings: ReadonlyArray<readonly [string, object]> = [
    ["throttled es_429", response(429, "es_rejected_execution_exception")],
    ["throttled es_429", response(429, "circuit_breaking_exception")],
    ["throttled es_429", response(429)],
    ["configuration es_block", response(429, "cluster_block_exception")],
    ["configuration es_block", response(403, "cluster_block_exception")],
    ["transient es_503", response(503, "cluster_block_exception")],
    ["transient es_503", response(503, "master_not_discovered_exception")],
    ["transient es_503", response(503)],
    ["transient es_5xx", response(500, "null_pointer_exception")],
    ["transient es_5xx", response(502)],
    ["transient es_5xx", response(504)],
    ["transient timeout", response(408)],
    ["poison es_too_large", response(413)],
    ["poison es_4xx", response(400, "action_request_validation_exception")],
    ["poison es_4xx", response(400, "x_content_parse_exception")],
    ["poison es_mapping", response(400, "mapper_parsing_exception")],
    ["configuration es_4xx", response(400, "illegal_argument_exception")],
    ["configuration es_4xx", response(400)],
    ["configuration es_4xx", response(405)],
    ["configuration es_4xx", response(406, "media_type_header_exception")],
    ["configuration es_auth", response(401, "security_exception")],
    ["configuration es_auth", response(403, "security_exception")],
    ["configuration es_index_missing", response(404, "index_not_found_exception")],
    ["configuration es_index_missing", response(400, "index_closed_exception")],
    ["configuration es_4xx", response(404)],
    ["transient timeout", { name: "TimeoutError", message: "Request timed out" }],
    ["transient es_connect", { name: "ConnectionError", message: "connect ECONNREFUSED 127.0.0.1:9200" }],
    ["transient es_connect", { name: "NoLivingConnectionsError", message: "There are no living connections" }],
    ["transient es_response", { name: "DeserializationError", message: "Unexpected end of JSON input" }],
    ["transient es_response", { name: "RequestAbortedError", message: "The content length is bigger" }],
    ["transient es_response", Object.assign(new Error("unexpected end of file"), { code: "Z_BUF_ERROR" })],
    ["configuration es_product", { name: "ProductNotSupportedError", message: "not Elasticsearch" }]
  ]
  for (const [meaning, error] of meanings) {
    it(`is ${meaning}: ${JSON.stringify(error).slice(0, 90)}`, () => {
      assert.strictEqual(said(refusalOf(error, now).failure), meaning)
    })
  }

  it("says how long to wait, when Elasticsearch does", () => {
    const asked = (header: string) => refusalOf(response(429, "some_type", { "retry-after": header }), now)
    assert.strictEqual(asked("7").failure.retryAfterMs, 7_000)
    assert.strictEqual(asked("Sat, 21 Nov 2026 12:00:05 GMT").failure.retryAfterMs, 5_000)
    assert.strictEqual(asked("999999999").failure.retryAfterMs, 3_600_000)
    for (const header of ["", "0", "-5", "soon", "1.5.2", "Sat, 21 Nov 2026 11:00:00 GMT"]) {
      assert.notProperty(asked(header).failure, "retryAfterMs", header)
    }
  })

  it("keeps the password of the address to itself", () => {
    const error = { name: "ConnectionError", message: "connection failed (http://me:secret@host:9200/)" }
    assert.strictEqual(refusalOf(error, now).failure.detail, "connection failed (http://host:9200/)")
  })
})

describe("an item of a bulk request", () => {
  const meanings: ReadonlyArray<readonly [string, object]> = [
    ["Written", item(200)],
    ["Written", item(201)],
    ["Superseded", item(409, "version_conflict_engine_exception")],
    ["Written", { delete: { _index: "words-000001", status: 404, result: "not_found" } }],
    ["configuration es_index_missing", { delete: { status: 404, error: { type: "index_not_found_exception" } } }],
    ["configuration es_index_missing", item(404, "index_not_found_exception")],
    ["configuration es_index_missing", item(400, "index_closed_exception")],
    ["configuration es_index_missing", item(400, "illegal_argument_exception", "no write index is defined", "words")],
    ["poison es_4xx", item(400, "illegal_argument_exception", "immense term")],
    ["poison es_4xx", item(400, "some_later_exception")],
    ["poison es_mapping", item(400, "document_parsing_exception")],
    ["poison es_mapping", item(400, "mapper_parsing_exception")],
    ["poison es_mapping", item(400, "strict_dynamic_mapping_exception")],
    ["poison es_too_large", item(413)],
    ["configuration es_block", item(403, "cluster_block_exception")],
    ["configuration es_block", item(429, "cluster_block_exception")],
    ["configuration es_auth", item(403, "security_exception")],
    ["throttled es_429", item(429, "es_rejected_execution_exception")],
    ["transient es_503", item(503, "unavailable_shards_exception")],
    ["transient es_5xx", item(500, "translog_exception")],
    ["transient es_response", {}],
    ["transient es_response", { index: {} }],
    ["transient es_response", { index: { status: "201" } }]
  ]
  for (const [meaning, one] of meanings) {
    it(`is ${meaning}: ${JSON.stringify(one).slice(0, 90)}`, () => assert.strictEqual(saidOfItem(one), meaning))
  }

  it("never quotes the document", () => {
    const reasons: ReadonlyArray<readonly [string, string]> = [
      [
        "[1:21] failed to parse field [kind] in document with id 'b'. Preview of field's value: 'secret'",
        "item 400 some_type [1:21] failed to parse field [kind] in document with id …."
      ],
      ["For input string: \"secret\"", "item 400 some_type For input string: …"],
      [
        "immense term in field=\"title\" (max 32766). The prefix of the first immense term is: '[115, 101]...'",
        "item 400 some_type immense term in field=… (max 32766)."
      ],
      ["two\n  lines\tof\u0000 it", "item 400 some_type two lines of it"]
    ]
    for (const [reason, detail] of reasons) {
      const result = resultOfItem(item(400, "some_type", reason), "words")
      assert.strictEqual(result._tag === "Failed" ? result.failure.detail : "", detail)
    }
  })
})

const names = Schema.Literals(["ResponseError", "TimeoutError", "ConnectionError", "toString", "__proto__"])
const types = Schema.Literals(["cluster_block_exception", "index_closed_exception", "document_parsing_exception", ""])
const anything = Schema.Union([Schema.String, Schema.Number, Schema.Null, Schema.Undefined, types])
const anyError = Schema.Struct({ type: anything, reason: anything })
const anyResponse = Schema.Struct({
  name: Schema.Union([names, anything]),
  message: anything,
  meta: Schema.Union([
    anything,
    Schema.Struct({
      statusCode: anything,
      headers: Schema.Union([anything, Schema.Struct({ "retry-after": anything })]),
      body: Schema.Union([anything, Schema.Struct({ error: Schema.Union([anything, anyError]) })])
    })
  ])
})
const anyItem = Schema.Union([
  anything,
  Schema.Record(
    Schema.String,
    Schema.Union([anything, Schema.Struct({ status: anything, error: Schema.Union([anything, anyError]) })])
  )
])

const assertSound = ({ class: failureClass, detail, errorType, retryAfterMs: wait = 1 }: Failure) => {
  assert.include(["transient", "throttled", "configuration", "poison"], failureClass)
  assert.include(errorTypes, errorType)
  assert.isAtMost(detail.length, detailMax)
  assert.notMatch(detail, /[\n\r\p{Cc}\p{Cs}]/u)
  assert.isTrue(Number.isFinite(wait) && wait > 0)
}

describe("whatever comes", () => {
  const runs = { arbitrary: { runs: 500 } }
  it.prop("a whole request has a meaning", { error: Schema.Union([anyResponse, anything]) }, ({ error }) => {
    assertSound(refusalOf(error, now).failure)
  }, runs)

  it.prop("an item has a meaning", { one: anyItem }, ({ one }) => {
    const result = resultOfItem(one, "words")
    if (result._tag === "Failed") assertSound(result.failure)
  }, runs)

  it.prop("every status has a meaning", { status: Schema.Int, type: types }, ({ status, type }) => {
    assertSound(refusalOf(response(status, type), now).failure)
    const result = resultOfItem(item(status, type), "words")
    assert.strictEqual(result._tag === "Written", status >= 200 && status < 300)
  }, runs)

  const items = Arbitrary.array(Arbitrary.schema(anyItem))
  it.prop("an answer has one result per item, or is none", { items }, ({ items }) => {
    assert.strictEqual(resultsOf({ items }, items.length, "words")?.length, items.length)
    assert.isUndefined(resultsOf({ items }, items.length + 1, "words"))
    for (const body of [undefined, null, "", items, { items: null }]) assert.isUndefined(resultsOf(body, 1, "words"))
  }, { arbitrary: { runs: 100 } })

  it.prop("a wait is a wait", { header: anything }, ({ header }) => {
    const wait = retryAfterMs(header, now) ?? 1
    assert.isTrue(wait > 0 && wait <= 3_600_000)
  }, runs)
})
