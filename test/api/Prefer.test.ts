/** What a `Prefer` header is taken to say, whatever is in it. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Duration, Schema } from "effect"
import { preferencesOf, waitMaxSeconds, waitOf } from "../../src/api/Prefer.ts"

const seconds = (header: string | undefined) => {
  const wait = waitOf(header)
  return wait === undefined ? undefined : Duration.toSeconds(wait)
}

/** What means something in the header, which chance would seldom put together. */
const parts = Schema.Literals([
  "wait",
  "Wait",
  "=",
  "5",
  "10",
  ",",
  ";",
  "\"",
  "\\",
  " ",
  "\t",
  "x",
  "@",
  "respond-async"
])
const said = Arbitrary.map(Arbitrary.array(Arbitrary.schema(parts)), (all) => all.join(""))

describe("a Prefer header", () => {
  const examples: ReadonlyArray<readonly [header: string | undefined, wait: number | undefined]> = [
    [undefined, undefined],
    ["", undefined],
    ["wait=10", 10],
    ["WAIT=10", 10],
    ["  wait = 10\t", 10],
    ["wait=\"10\"", 10],
    ["wait=\"1\\0\"", 10],
    ["wait=0", 0],
    ["wait=10; foo=\"bar, wait=3\"", 10],
    ["respond-async, wait=10", 10],
    ["respond-async,wait=10,,return=minimal", 10],
    ["handling=\"lenient, wait=3\", wait=10", 10],
    ["@@, wait=10", 10],
    ["an \" open quote, wait=10", 10],
    ["wait=10, wait=3", 10],
    ["wait=99999999999999999999999999", waitMaxSeconds],
    ["wait", undefined],
    ["wait=", undefined],
    ["wait=\"\"", undefined],
    ["wait=ten", undefined],
    ["wait=-1", undefined],
    ["wait=1.5", undefined],
    ["wait=1 2", undefined],
    // The first counts, also where it cannot be understood.
    ["wait=soon, wait=10", undefined],
    ["await=10", undefined]
  ]
  for (const [header, wait] of examples) {
    it(`${JSON.stringify(header)} asks to wait ${wait ?? "for nothing"}`, () => {
      assert.strictEqual(seconds(header), wait)
    })
  }

  it.prop("never asks for more than there is time for, whatever it says", { any: Schema.String, said }, (header) => {
    for (const text of [header.any, header.said, `${header.said}${header.any}`, `wait=${header.any}`]) {
      const wait = seconds(text)
      assert.isTrue(wait === undefined || Number.isInteger(wait) && wait >= 0 && wait <= waitMaxSeconds, text)
    }
  }, { arbitrary: { runs: 300 } })

  it.prop("is read to its end: what stands before cannot hide a wait", { said }, ({ said }) => {
    // A quote that is open would take in what follows, as it should.
    const before = said.replaceAll("\"", "").replaceAll(/wait/gi, "other")
    assert.strictEqual(seconds(`${before}, wait=7`), 7, before)
  }, { arbitrary: { runs: 300 } })

  it.prop("gives back any value that is put in quotes", { value: Schema.String }, ({ value }) => {
    const quoted = value.replaceAll(/["\\]/g, "\\$&")
    assert.strictEqual(preferencesOf(`a=1, Note="${quoted}", b=2`).get("note"), value)
  })

  it("is read in time that grows with its length", () => {
    for (const text of ["\"", "\\\"", "a=\"", ",", " ", ";", "wait=\"\\"]) preferencesOf(text.repeat(2_000))
  })
})
