/** Pages hold no more than was asked for, and together they hold everything once. */
import { assert, describe, it } from "@effect/vitest"
import { Exit, Schema } from "effect"
import { Limit, limitDefault, limitMax, toPage } from "../../src/domain/Paging.ts"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const check = { arbitrary: { runs: 500 } }

describe("pages", () => {
  it.prop("hold everything once and in order", { count: between(0, 40), limit: between(1, 12) }, ({ count, limit }) => {
    const all = Array.from({ length: count }, (_, at) => at)
    const visited: Array<number> = []
    for (let after = -1, pages = 0;; pages++) {
      assert.isAtMost(pages, count)
      const { items, next_cursor } = toPage(all.slice(after + 1, after + 1 + limit + 1), limit, String)
      assert.isAtMost(items.length, limit)
      visited.push(...items)
      if (next_cursor === null) break
      assert.strictEqual(items.length, limit)
      after = Number(next_cursor)
    }
    assert.deepStrictEqual(visited, all)
  }, check)
})

describe("a limit", () => {
  const decode = Schema.decodeUnknownExit(Limit)

  it.prop("is a whole number from 1 to the most that there is", { number: Schema.Finite }, ({ number }) => {
    for (const each of [number, Math.round(number), Math.abs(Math.round(number)) % 150]) {
      const fits = Number.isInteger(each) && each >= 1 && each <= limitMax
      assert.strictEqual(Exit.isSuccess(decode(String(each))), fits, String(each))
    }
  }, check)

  it.prop("is not made of other text", { any: Schema.String }, ({ any }) => {
    for (const text of [any, `${any}x`, "", " ", "Infinity", "NaN"]) {
      const exit = decode(text)
      if (Exit.isSuccess(exit)) assert.strictEqual(exit.value, Number(text))
    }
  }, check)

  it("has a default that is allowed", () => assert.isTrue(limitDefault >= 1 && limitDefault <= limitMax))
})
