/** Text outside of V8's heap comes back as it was. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { store } from "../../layers/telemetry/TextStore.ts"

describe("stored text", () => {
  it.prop("is read as it was written", { texts: Schema.Array(Schema.String) }, ({ texts }) => {
    const whole = texts.map((text) => JSON.stringify(text))
    const stored = whole.map(store)
    assert.deepStrictEqual(stored.map(({ read }) => read()), whole)
  })

  it("may be longer than a slab, and says what it takes", () => {
    const texts = ["ü".repeat(200_000), "x".repeat(300_000), "", "💡"]
    const stored = texts.map(store)
    assert.deepStrictEqual(stored.map(({ read }) => read()), texts)
    assert.deepStrictEqual(stored.map(({ bytes }) => bytes), [400_000, 300_000, 0, 4])
  })
})
