/** P-06: no wait is negative or longer than the cap, and none gets shorter by trying again. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { ceilingMs, delayMs } from "../../src/domain/Backoff.ts"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const any = {
  backoff: Schema.Struct({ baseMs: between(1, 60_000), capMs: between(1, 3_600_000) }),
  attempt: between(1, 1_000_000),
  jitter: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })),
  retryAfterMs: between(0, 3_600_000)
}
const check = { arbitrary: { runs: 500 } }

describe("a back-off", () => {
  it.prop("waits a whole number of milliseconds from nothing to the cap", any, ({ attempt, backoff, jitter }) => {
    const delay = delayMs(backoff, attempt, jitter)
    assert.isTrue(Number.isInteger(delay))
    assert.isAtLeast(delay, 0)
    assert.isAtMost(delay, backoff.capMs)
  }, check)

  it.prop("never has a lower ceiling for a later attempt", any, ({ attempt, backoff }) => {
    assert.isAtLeast(ceilingMs(backoff, attempt + 1), ceilingMs(backoff, attempt))
    assert.strictEqual(ceilingMs(backoff, 1), Math.min(backoff.baseMs, backoff.capMs))
  }, check)

  it.prop("waits at least as long as the far side asked, and no more than the ceiling longer", any, (given) => {
    const { attempt, backoff, jitter, retryAfterMs } = given
    const delay = delayMs(backoff, attempt, jitter, retryAfterMs)
    assert.isAtLeast(delay, retryAfterMs)
    assert.isAtMost(delay, Math.ceil(retryAfterMs + ceilingMs(backoff, attempt)))
  }, check)

  it("doubles from the base up to the cap", () => {
    const backoff = { baseMs: 500, capMs: 60_000 }
    const ceilings = [1, 2, 3, 7, 8, 9, 100, 10_000].map((attempt) => ceilingMs(backoff, attempt))
    assert.deepStrictEqual(ceilings, [500, 1_000, 2_000, 32_000, 60_000, 60_000, 60_000, 60_000])
  })
})
