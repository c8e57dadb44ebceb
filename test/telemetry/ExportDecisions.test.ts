/** What is decided of a failed export without doing anything: why it failed, and when the next one may be tried. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Breaker from "../../layers/telemetry/ExportBreaker.ts"
import { classify, retryAfterOf } from "../../layers/telemetry/ExportFailure.ts"
import { exportFailureReasons } from "../../src/telemetry/Metrics.ts"

const now = Date.parse("2026-01-01T00:00:00Z")
const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

describe("why an export failed", () => {
  const facts = { error: undefined, isLate: false }

  it("is told from statuses and codes, and only what may pass is sent again", () => {
    const said = (more: object) => {
      const { isRetryable, reason } = classify({ ...facts, ...more }, now)
      return [reason, isRetryable]
    }
    assert.deepStrictEqual(said({ isLate: true, status: 200 }), ["timeout", true])
    assert.deepStrictEqual(said({ status: 429 }), ["throttled", true])
    assert.deepStrictEqual(said({ status: 503 }), ["server_error", true])
    assert.deepStrictEqual(said({ status: 500 }), ["server_error", false])
    assert.deepStrictEqual(said({ status: 413 }), ["too_large", false])
    assert.deepStrictEqual(said({ status: 401 }), ["client_error", false])
    assert.deepStrictEqual(said({ error: { code: "ECONNREFUSED" } }), ["unreachable", true])
    assert.deepStrictEqual(said({ error: { code: "ENOTFOUND" } }), ["dns", true])
    assert.deepStrictEqual(said({ error: { code: "DEPTH_ZERO_SELF_SIGNED_CERT" } }), ["tls", true])
    assert.deepStrictEqual(said({ error: { code: "HPE_INVALID_CONSTANT" } }), ["invalid_answer", false])
    assert.deepStrictEqual(said({ error: new Error("ECONNREFUSED") }), ["internal", false])
  })

  const any = {
    status: Schema.UndefinedOr(between(0, 999)),
    retryAfter: Schema.UndefinedOr(Schema.String),
    code: Schema.UndefinedOr(Schema.String),
    isLate: Schema.Boolean
  }
  it.prop("is one of a closed list, whatever the far side says", any, ({ code, ...seen }) => {
    const { reason, retryAfterMs = 0 } = classify({ ...seen, error: { code } }, now)
    assert.include(exportFailureReasons, reason)
    assert.isTrue(retryAfterMs >= 0 && retryAfterMs <= 300_000)
  })

  it("reads Retry-After as seconds or as a date, and no further than five minutes ahead", () => {
    assert.strictEqual(retryAfterOf("7", now), 7_000)
    assert.strictEqual(retryAfterOf("Thu, 01 Jan 2026 00:00:09 GMT", now), 9_000)
    assert.strictEqual(retryAfterOf("Thu, 01 Jan 2025 00:00:09 GMT", now), 0)
    assert.strictEqual(retryAfterOf("86400", now), 300_000)
    assert.isUndefined(retryAfterOf("soon", now))
    assert.isUndefined(retryAfterOf(undefined, now))
  })
})

describe("the wait after a failed export", () => {
  const failed = { _tag: "Failed", reason: "unreachable", isRetryable: true } as const
  const accepted = { _tag: "Accepted", rejected: 0 } as const
  const jitter = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))

  it.prop(
    "grows to five seconds, is never as short as nothing, and ends with the first success",
    { failures: between(1, 40), jitter },
    ({ failures, jitter }) => {
      let breaker = Breaker.closed
      for (let n = 0; n < failures; n++) breaker = Breaker.after(breaker, failed, now, jitter)
      const wait = Breaker.waitMs(breaker, now)
      assert.isAtLeast(wait, 250)
      assert.isAtMost(wait, 5_000)
      if (failures > 5) assert.isAtLeast(wait, 2_500)
      assert.strictEqual(Breaker.waitMs(breaker, breaker.until), 0)
      assert.strictEqual(Breaker.waitMs(Breaker.after(breaker, accepted, now, jitter), now), 0)
    }
  )

  it.prop(
    "is never shorter than the far side asks for",
    { retryAfterMs: between(0, 300_000), jitter },
    ({ jitter, retryAfterMs }) => {
      const breaker = Breaker.after(Breaker.closed, { ...failed, retryAfterMs }, now, jitter)
      assert.isAtLeast(Breaker.waitMs(breaker, now), retryAfterMs)
    }
  )
})
