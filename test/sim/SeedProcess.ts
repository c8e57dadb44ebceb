/** A process of its own that runs the seeds it is sent, one after the other. */
import type { Told } from "./Report.ts"
import { simulate } from "./Simulation.ts"

const toldOf = (seed: number): Told => {
  const { counts, healedMs, history, options, simulatedMs, violations } = simulate(seed)
  return { counts, healedMs, history, options, simulatedMs, violations }
}

process.on("message", (seeds: ReadonlyArray<number>) => process.send?.(seeds.map(toldOf)))
