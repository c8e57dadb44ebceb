/** Text that people type can be stored in every store, and cut without breaking a character. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Exit, Schema } from "effect"
import { EntityId } from "../../src/domain/Entity.ts"
import { excerpt, text } from "../../src/domain/Text.ts"

const joined = (...parts: ReadonlyArray<string>) =>
  Arbitrary.map(Arbitrary.array(Arbitrary.schema(Schema.Literals(parts)), { maxLength: 20 }), (all) => all.join(""))

/** Strings with what breaks stores and cuts: pairs, half pairs, NUL, blanks. */
const odd = joined("a", "é", "😀", "\ud83d", "\ude00", "\0", " ", "\n", "\ufeff", "東")
const whole = joined("a", "é", "😀", "🏴", "東")
const given = { any: Schema.String, odd }
const check = { arbitrary: { runs: 500 } }
const read = Schema.decodeUnknownExit(text(1, 8))

describe("text", () => {
  it.prop("is trimmed, within its bounds, and safe to store, or refused", given, ({ any, odd }) => {
    for (const typed of [any, odd]) {
      const trimmed = typed.trim()
      const fits = trimmed.length >= 1 && trimmed.length <= 8 && !trimmed.includes("\0") && trimmed.isWellFormed()
      const exit = read(typed)
      assert.strictEqual(Exit.isSuccess(exit), fits, JSON.stringify(typed))
      if (Exit.isSuccess(exit)) assert.strictEqual(exit.value, trimmed)
    }
  }, check)

  it("is refused when it is no text", () => {
    for (const value of [undefined, null, 1, ["a"], {}]) assert.isTrue(Exit.isFailure(read(value)))
  })
})

describe("an excerpt", () => {
  const max = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 12 }))

  it.prop("is no longer than it may be, and the whole when that fits", { ...given, max }, ({ any, max, odd }) => {
    for (const whole of [any, odd]) {
      const cut = excerpt(whole, max)
      assert.isAtMost(cut.length, max)
      if (whole.length <= max) assert.strictEqual(cut, whole)
      else assert.isTrue(cut.endsWith("…") && whole.startsWith(cut.slice(0, -1)))
    }
  }, check)

  it.prop("never splits a character", { max, whole }, ({ max, whole }) => {
    assert.isTrue(excerpt(whole, max).isWellFormed())
  }, check)
})

describe("an id", () => {
  const decode = Schema.decodeUnknownExit(EntityId)

  it.prop("is one and the same in upper and lower case", { id: Schema.String.check(Schema.isUUID()) }, ({ id }) => {
    for (const written of [id, id.toUpperCase(), id.toLowerCase()]) {
      assert.deepStrictEqual(decode(written), Exit.succeed(EntityId.make(id.toLowerCase())))
    }
  }, check)

  it.prop("is nothing else", given, ({ any, odd }) => {
    const id = "0192d3c0-0000-7000-8000-000000000000"
    for (const text of [any, odd, `${id}${any || "x"}`, `{${id}}`, id.replaceAll("-", "")]) {
      assert.isTrue(Exit.isFailure(decode(text)), text)
    }
  }, check)
})
