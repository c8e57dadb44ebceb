/** Durations for people: no figure reaches the next unit, and none is farther off than its last digit. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { duration } from "../../src/explain/Say.ts"

const units = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, days: 86_400_000 }
type Unit = keyof typeof units

const partsOf = (text: string) =>
  [...text.matchAll(/([\d.]+) (ms|s|min|h|days)/g)].map(([, figure, unit]) => ({
    figure: Number(figure),
    unit: unit as Unit
  }))

const limits: Readonly<Record<Unit, number>> = { ms: 1_000, s: 60, min: 60, h: 48, days: Infinity }

/** What the last shown digit is worth. */
const precisionOf = (text: string) => {
  const [last, unit] = /([\d.]+) (\w+)$/.exec(text)!.slice(1) as [string, Unit]
  return units[unit] * (last.includes(".") ? 0.1 : 1)
}

describe("a duration for people", () => {
  const table: ReadonlyArray<readonly [number, string]> = [
    [0, "0 ms"],
    [1.24, "1.2 ms"],
    [9.97, "10 ms"],
    [812.4, "812 ms"],
    [999.6, "1 s"],
    [20_400, "20.4 s"],
    [59_960, "1 min 0 s"],
    [119_700, "2 min 0 s"],
    [3_599_600, "1 h 0 min"],
    [7_190_000, "2 h 0 min"],
    [172_799_000, "2 days"],
    [200_000_000, "2 days"]
  ]
  for (const [ms, text] of table) it(`of ${ms} ms is ${text}`, () => assert.strictEqual(duration(ms), text))

  it.prop(
    "keeps every figure below its unit's limit, and within its last digit",
    {
      scale: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 7 })),
      of: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 99_999 }))
    },
    ({ of, scale }) => {
      const ms = of / 100 * 10 ** scale
      const text = duration(ms)
      const parts = partsOf(text)
      for (const { figure, unit } of parts) assert.isBelow(figure, limits[unit], text)
      const shown = parts.reduce((sum, { figure, unit }) => sum + figure * units[unit], 0)
      const off = Math.abs(shown - ms)
      // Days are whole ones that have gone by.
      assert.isAtMost(off, (text.endsWith("days") ? 1 : 0.5) * precisionOf(text) + 1e-6, `${ms} ms: ${text}`)
    }
  )
})
