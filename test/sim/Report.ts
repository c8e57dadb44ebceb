/** What people read of a simulation: why a seed failed, how to see it again, and what ever happened. */
import { type Sometimes, sometimes } from "./OpLog.ts"
import { shownOptions } from "./Options.ts"
import type { Run } from "./Simulation.ts"

/** What is kept of a run once it is over. */
export type Told = Pick<Run, "options" | "counts" | "violations" | "history" | "simulatedMs" | "healedMs">

const replayOf = (seed: number): string => `npm run sim -- --seed ${seed}`

export const failureOf = ({ history, options, violations }: Told): string =>
  [
    `seed ${options.seed} breaks "${violations[0]?.invariant}"`,
    ...violations.slice(0, 5).map(({ detail, invariant }) => `  ${invariant}: ${detail}`),
    `  ${shownOptions(options)}`,
    ...history.map((line) => `  | ${line}`),
    `  again: ${replayOf(options.seed)} --verbose`
  ].join("\n")

export class Tally {
  seeds = 0
  failed = 0
  simulatedMs = 0
  slowestHealMs = 0
  private readonly counts: Map<Sometimes, number> = new Map()
  private readonly seedsWith: Map<Sometimes, number> = new Map()

  add({ counts, healedMs, simulatedMs, violations }: Told): void {
    this.seeds++
    this.simulatedMs += simulatedMs
    this.slowestHealMs = Math.max(this.slowestHealMs, healedMs)
    if (violations.length > 0) this.failed++
    for (const [what, times] of counts) {
      this.counts.set(what, (this.counts.get(what) ?? 0) + times)
      this.seedsWith.set(what, (this.seedsWith.get(what) ?? 0) + 1)
    }
  }

  get never(): ReadonlyArray<Sometimes> {
    return sometimes.filter((what) => !this.counts.has(what))
  }

  table(): string {
    const rows = sometimes.map((what) => {
      const [times, seeds] = [this.counts.get(what) ?? 0, this.seedsWith.get(what) ?? 0]
      return `  ${what.padEnd(46)} ${String(times).padStart(8)} ${String(seeds).padStart(7)}${
        times === 0 ? "  never" : ""
      }`
    })
    return [`  ${"sometimes".padEnd(46)} ${"times".padStart(8)} ${"seeds".padStart(7)}`, ...rows].join("\n")
  }

  summary(realMs: number): string {
    const hours = (this.simulatedMs / 3_600_000).toFixed(1)
    const rate = (this.seeds / (realMs / 1_000)).toFixed(1)
    const heal = (this.slowestHealMs / 1_000).toFixed(0)
    return `${this.seeds} seeds, ${this.failed} failed; ${hours} simulated hours, ${rate} seeds/s; ` +
      `the longest way from the last fault to quiet took ${heal} simulated seconds`
  }
}
