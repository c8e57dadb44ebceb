/** A worker whose loops stand still is noticed; one that is busy, or has nothing to do, is not. */
import { assert, describe, it } from "@effect/vitest"
import * as ClaimWatch from "../../src/delivery/ClaimWatch.ts"

describe("the watch over claims", () => {
  it("names who has not asked for long, and only them", () => {
    const watch = ClaimWatch.make()
    watch.asked("search", 1_000)
    watch.asked("chronicle", 50_000)
    assert.deepStrictEqual(watch.stalled(61_000, 60_000), [])
    assert.deepStrictEqual(watch.stalled(61_001, 60_000), ["search"])
    watch.asked("search", 61_001)
    assert.deepStrictEqual(watch.stalled(61_001, 60_000), [])
  })

  it("does not mistake a delivery that takes long for it", () => {
    const watch = ClaimWatch.make()
    watch.asked("search", 0)
    watch.busy("search", 1)
    watch.busy("search", 1)
    watch.busy("search", -1)
    assert.deepStrictEqual(watch.stalled(1_000_000, 60_000), [])
    watch.busy("search", -1)
    assert.deepStrictEqual(watch.stalled(1_000_000, 60_000), ["search"])
  })
})
