/** A few seeds of the simulation, and that a seed is one run and no other; `npm run sim` has the many. */
import { assert, describe, it } from "@effect/vitest"
import { failureOf } from "./Report.ts"
import { simulate } from "./Simulation.ts"

const first = 1
const count = 50

describe("the whole system, simulated", () => {
  it.for(Array.from({ length: count }, (_, at) => first + at))("keeps its promises with seed %i", (seed) => {
    const run = simulate(seed)
    assert.strictEqual(run.violations.length, 0, run.violations.length === 0 ? "" : failureOf(run))
  })

  it.for([3, 10, 25, 60])("does the same again with seed %i", (seed) => {
    assert.deepStrictEqual(simulate(seed).lines, simulate(seed).lines)
  })

  it("does something else with another seed", () => {
    assert.notDeepEqual(simulate(1).lines, simulate(2).lines)
  })
})
