/** What a line of an import file may say, and what is said of one that may not. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { TagFields } from "../../src/domain/Entity.ts"
import { ImportLine, readLine } from "../../src/import/ImportLine.ts"
import { colorOf } from "../../src/import/TagColor.ts"

const read = (text: string | Uint8Array, isFirst = false) =>
  readLine(typeof text === "string" ? new TextEncoder().encode(text) : text, isFirst)

const reasonOf = (text: string | Uint8Array, isFirst = false) => {
  const reading = read(text, isFirst)
  return reading._tag === "Rejected" ? reading.reason : reading._tag
}

describe("A line", () => {
  it("is a block, with what people put around words left out", () => {
    assert.deepStrictEqual(
      read("{\"title\":\" Straße \",\"body\":\"日本語 \\ud83d\\ude00\",\"tags\":[\" a \"],\"library\":\"L\"}\r"),
      {
        _tag: "Block",
        line: { title: "Straße", body: "日本語 😀", tags: ["a"], library: "L" }
      }
    )
  })

  it.each([
    ["{\"title\":\"a\",\"body\":\"b\"", /^not JSON: /],
    ["[1]", /^must be a JSON object$/],
    ["null", /^must be a JSON object$/],
    ["{\"body\":\"b\"}", /^title: is required$/],
    ["{\"title\":\"a\"}", /^body: is required$/],
    ["{\"title\":\"  \",\"body\":\"b\"}", /^title: .*between 1 and 500/],
    [`{"title":"${"x".repeat(501)}","body":"b"}`, /^title: .*between 1 and 500/],
    [`{"title":"a","body":"${"x".repeat(100_001)}"}`, /^body: .*100000/],
    ["{\"title\":7,\"body\":\"b\"}", /^title: /],
    ["{\"title\":\"a\\u0000\",\"body\":\"b\"}", /^title: must not contain a NUL/],
    ["{\"title\":\"a\",\"body\":\"\\ud800\"}", /^body: must not contain half a surrogate pair/],
    ["{\"title\":\"a\",\"body\":\"b\",\"tags\":[\"\"]}", /^tags\.0: /],
    [`{"title":"a","body":"b","tags":${JSON.stringify(Array.from({ length: 65 }, String))}}`, /^tags: /],
    ["{\"title\":\"a\",\"body\":\"b\",\"library\":null}", /^library: /],
    ["{\"title\":\"a\",\"body\":\"b\",\"colour\":\"red\"}", /^colour: is not a known field$/],
    ["{\"title\":\"a\",\"body\":\"b\",\"__proto__\":{}}", /^__proto__: is not a known field$/]
  ])("%# is rejected for what is wrong with it", (text, reason) => {
    assert.match(reasonOf(text), reason)
  })

  it("names everything that is wrong with it at once", () => {
    assert.strictEqual(
      reasonOf("{\"body\":\"b\",\"x\":1,\"y\":2}"),
      "x: is not a known field; y: is not a known field; title: is required"
    )
  })

  it("that is not UTF-8 is rejected, and not repaired", () => {
    assert.strictEqual(reasonOf(Uint8Array.from([0x22, 0xc3, 0x28, 0x22])), "not UTF-8")
  })

  it("may begin with a byte order mark only where the file begins", () => {
    const marked = "\uFEFF{\"title\":\"a\",\"body\":\"b\"}"
    assert.strictEqual(read(marked, true)._tag, "Block")
    assert.match(reasonOf(marked), /^not JSON/)
  })

  it("with nothing on it is nothing", () => {
    for (const text of ["", " ", "\t\r"]) assert.strictEqual(read(text)._tag, "Blank")
  })

  it("cannot put anything but words into its reason", () => {
    const reason = reasonOf(`{"\\u001b[2J\\n\\u202e${"k".repeat(1_000)}":1}`)
    assert.isAtMost(reason.length, 300)
    assert.notMatch(reason, /[\p{Cc}\p{Cf}]/u)
  })

  it.prop("that holds a valid block is read as it was written", [ImportLine], ([line]) => {
    const reading = read(JSON.stringify(line))
    assert.deepStrictEqual(reading, { _tag: "Block", line: Schema.decodeUnknownSync(ImportLine)(line) })
  })

  it.prop("of any bytes is read without an accident", [Schema.Uint8Array], ([bytes]) => {
    assert.include(["Block", "Blank", "Rejected"], read(bytes)._tag)
  })

  it.prop("of any JSON is read without an accident", [Schema.Json], ([json]) => {
    assert.include(["Block", "Rejected"], read(JSON.stringify(json))._tag)
  })
})

describe("A tag that nobody chose a colour for", () => {
  it.prop("has a valid one, always the same for its name", [TagFields.fields.name], ([name]) => {
    assert.isTrue(Schema.is(TagFields.fields.color)(colorOf(name)))
    assert.strictEqual(colorOf(name), colorOf(name.slice()))
  })

  it("differs from its neighbours", () => {
    const names = ["noun.act", "noun.animal", "noun.body", "verb.body", "verb.motion", "adj.all"]
    assert.strictEqual(new Set(names.map(colorOf)).size, names.length)
  })
})
