/** A worker claims less from the moment the far side has too much, and as much as it may once that is over. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { cleanWindow, note, type Pressure, type Size, start, throttledBatchMin } from "../../src/delivery/Pressure.ts"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** The bounds of `OUTBOX_BATCH_SIZE` and `OUTBOX_CONCURRENCY`. */
const max = Schema.Struct({ batch: between(1, 5_000), slots: between(1, 64) })
const kinds = ["clean", "clean", "clean", "clean", "clean", "clean", "throttled", "too_large"] as const
/** Which sign, and how many signs ago its batch was claimed: one number for both, which Arbitrary has sooner. */
const sign = between(0, kinds.length * 6 - 1)
const signOf = (number: number) => ({
  sign: kinds[number % kinds.length]!,
  inFlight: Math.floor(number / kinds.length)
})
/** Left alone, most would be two or three: too few for a clean window. */
const signs = Schema.Array(sign).check(Schema.isMinLength(40), Schema.isMaxLength(60))
const given = { max, signs }
const check = { arbitrary: { runs: 150 } }

/** Every pressure on the way, the first one first. */
const history = (max: Size, signs: ReadonlyArray<number>): ReadonlyArray<Pressure> => {
  const pressures = [start(max)]
  for (const { inFlight, sign } of signs.map(signOf)) {
    const under = pressures[Math.max(0, pressures.length - 1 - inFlight)]!
    pressures.push(note(pressures.at(-1)!, sign, max, under))
  }
  return pressures
}

const isAtMost = (lower: Size, upper: Size) => {
  assert.isAtMost(lower.batch, upper.batch)
  assert.isAtMost(lower.slots, upper.slots)
}
const reached = (max: Size, signs: ReadonlyArray<number>) => history(max, signs).at(-1)!

describe("the pressure on a far side", () => {
  it.prop("begins at its most and stays whole, from one to that", given, ({ max, signs }) => {
    const [first, ...later] = history(max, signs)
    assert.deepStrictEqual(first, { ...max, cleanRun: 0 })
    for (const pressure of later) {
      isAtMost({ batch: 1, slots: 1 }, pressure)
      isAtMost(pressure, max)
      for (const value of Object.values(pressure)) assert.isTrue(Number.isInteger(value))
      assert.isTrue(pressure.cleanRun >= 0 && pressure.cleanRun < cleanWindow)
    }
  }, check)

  it.prop("grows by nothing but clean batches, which never lessen it", given, ({ max, signs }) => {
    const pressures = history(max, signs)
    for (const [at, { sign }] of signs.map(signOf).entries()) {
      const [before, after] = [pressures[at]!, pressures[at + 1]!]
      if (sign === "clean") isAtMost(before, after)
      else {
        isAtMost(after, before)
        assert.strictEqual(after.cleanRun, 0)
      }
      if (sign === "too_large") assert.strictEqual(after.slots, before.slots)
    }
  }, check)

  it.prop("is halved, and loses a slot, where there is too much to do", given, ({ max, signs }) => {
    const before = reached(max, signs)
    const after = note(before, "throttled", max, before)
    const half = Math.max(Math.floor(before.batch / 2), throttledBatchMin)
    assert.strictEqual(after.batch, Math.min(before.batch, half))
    assert.strictEqual(after.slots, Math.max(1, before.slots - 1))
  }, check)

  it.prop("goes down to the one row that is too large", { max }, ({ max }) => {
    let pressure = start(max)
    for (let batch = max.batch; batch > 1; batch = Math.floor(batch / 2)) {
      assert.strictEqual(pressure.batch, batch)
      pressure = note(pressure, "too_large", max, pressure)
    }
    assert.deepStrictEqual(pressure, { batch: 1, slots: max.slots, cleanRun: 0 })
    assert.deepStrictEqual(note(pressure, "too_large", max, pressure), pressure)
  }, check)

  it.prop("takes what was in flight together and is refused together for one sign", given, ({ max, signs }) => {
    const under = reached(max, signs)
    for (const sign of ["throttled", "too_large"] as const) {
      const once = note(under, sign, max, under)
      assert.deepStrictEqual(note(once, sign, max, under), once)
    }
  }, check)

  it.prop("is at its most again after a bounded number of clean batches", given, ({ max, signs }) => {
    let pressure = reached(max, signs)
    const windows = Math.max(10, max.slots - 1)
    for (let clean = 0; clean < windows * cleanWindow; clean++) pressure = note(pressure, "clean", max, pressure)
    assert.deepStrictEqual({ batch: pressure.batch, slots: pressure.slots }, max)
  }, check)

  it.prop("keeps its order: who claims no more than another does not after the same sign either", {
    ...given,
    batch: between(1, 5_000),
    slots: between(1, 64)
  }, ({ batch, max, signs, slots }) => {
    const higher = reached(max, signs)
    const lower = { ...higher, batch: Math.min(batch, higher.batch), slots: Math.min(slots, higher.slots) }
    for (const sign of ["clean", "throttled", "too_large"] as const) {
      isAtMost(note(lower, sign, max, lower), note(higher, sign, max, higher))
    }
  }, check)

  it.prop("follows a most that was lowered", { ...given, lowered: max }, ({ lowered, max, signs }) => {
    const before = reached(max, signs)
    for (const sign of ["clean", "throttled", "too_large"] as const) {
      isAtMost(note(before, sign, lowered, before), lowered)
    }
  }, check)

  it("grows by a tenth of its most and a slot after each clean window", () => {
    const max = { batch: 500, slots: 4 }
    const clean = Array.from({ length: 8 }, () => "clean" as const)
    let pressure = start(max)
    const seen = (["throttled", "throttled", ...clean] as const).map((sign) => {
      pressure = note(pressure, sign, max, pressure)
      return [pressure.batch, pressure.slots]
    })
    assert.deepStrictEqual(seen.slice(0, 2), [[250, 3], [125, 2]])
    assert.deepStrictEqual(seen.slice(4), [[125, 2], [175, 3], [175, 3], [175, 3], [175, 3], [225, 4]])
  })

  it("waits for clean batches in a row", () => {
    const max = { batch: 500, slots: 4 }
    let pressure = note(start(max), "throttled", max, start(max))
    for (let round = 0; round < 5; round++) {
      for (const sign of ["clean", "clean", "clean", "throttled"] as const) {
        pressure = note(pressure, sign, max, start(max))
      }
    }
    assert.deepStrictEqual(pressure, { batch: 250, slots: 3, cleanRun: 0 })
  })
})
