/** The share of traces that is kept without a reason: as large as it should be, and the same traces everywhere. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { createHash } from "node:crypto"
import { baselineOf, isWithin, keptAnyway, sampled, unsampled } from "../../src/telemetry/Baseline.ts"

/** As good as random, and the same in every run. */
const traceIds = Array.from(
  { length: 20_000 },
  (_, n) => createHash("sha256").update(`trace ${n}`).digest("hex").slice(0, 32)
)

const share = (ratio: number) => {
  const baseline = baselineOf(ratio)
  return traceIds.filter((traceId) => isWithin(baseline, traceId, null)).length / traceIds.length
}

describe("the baseline", () => {
  it("keeps a tenth where it should, three standard deviations at most aside", () => {
    assert.closeTo(share(0.1), 0.1, 0.0064)
    assert.closeTo(share(0.5), 0.5, 0.0106)
    assert.strictEqual(share(0), 0)
    assert.strictEqual(share(1), 1)
  })

  it("says by which threshold, as OpenTelemetry writes it", () => {
    assert.strictEqual(sampled(baselineOf(0.1), null), "ot=th:e66666")
    assert.strictEqual(sampled(baselineOf(0.5), "a=1"), "ot=th:8,a=1")
    assert.strictEqual(sampled(baselineOf(1), null), "ot=th:0")
    assert.strictEqual(sampled(baselineOf(0.1), "a=1,ot=rv:00000000000000"), "ot=th:e66666;rv:00000000000000,a=1")
    assert.strictEqual(keptAnyway("ot=th:e66666;rv:ffffffffffffff;x:1"), "ot=th:0;rv:ffffffffffffff;x:1")
    assert.strictEqual(unsampled("ot=th:8,a=1"), "a=1")
    assert.isNull(unsampled(null))
  })

  it("goes by the random value that tracestate says, if it says one", () => {
    const baseline = baselineOf(0.1)
    const low = `4bf92f3577b34da6a3${"0".repeat(14)}`
    assert.isFalse(isWithin(baseline, low, null))
    assert.isTrue(isWithin(baseline, low, "ot=rv:e6666600000000"))
    assert.isFalse(isWithin(baseline, low, "ot=rv:e66665ffffffff"))
    for (const broken of ["ot=rv:e6", "ot=rv:E6666600000000", "ot=", "rv=e6666600000000"]) {
      assert.isFalse(isWithin(baseline, low, broken), broken)
    }
  })

  const ratio = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
  it.prop("keeps with a larger ratio all that it keeps with a smaller one", { a: ratio, b: ratio }, ({ a, b }) => {
    const [small, large] = [baselineOf(Math.min(a, b)), baselineOf(Math.max(a, b))]
    for (const traceId of traceIds.slice(0, 200)) {
      if (isWithin(small, traceId, null)) assert.isTrue(isWithin(large, traceId, null))
    }
  })
})
