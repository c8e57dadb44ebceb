/** What a seed makes of a run: its size, its settings, and which faults it has. */
import { type Chance, stream } from "./Chance.ts"

/** Something that goes on for a while, and changes what becomes of calls. */
export const weathers = [
  "db-refuses",
  "db-loses-answers",
  "db-slow",
  "db-silent",
  "heartbeat-fails",
  "engine-429",
  "engine-503",
  "engine-timeout",
  "engine-items-429",
  "engine-hangs",
  "engine-slow",
  "engine-auth"
] as const
export type Weather = typeof weathers[number]

/** Something that happens at one moment; `-at` is the moment of the next call of some kind. */
const events = [
  "kill",
  "kill-at",
  "stop",
  "stop-at",
  "terminate",
  "pause-projection",
  "replay-done",
  "replay-dead"
] as const
export type FaultEvent = typeof events[number]

export type FaultKind = Weather | FaultEvent

export interface SimOptions {
  readonly seed: number
  /**
   * `calm`: nothing fails but rows that are poison, so that what a poison row costs the others can be measured.
   * `outage`: a far side or the database is away for minutes, and nothing else is wrong; no row may die of that.
   */
  readonly profile: "calm" | "outage" | "chaos"
  readonly workers: number
  readonly batchSize: number
  readonly concurrency: number
  readonly leaseMs: number
  readonly pollMs: number
  readonly attemptsMax: number
  readonly backoff: { readonly baseMs: number; readonly capMs: number }
  readonly drainMs: number
  readonly fanOut: { readonly chunkMax: number; readonly backlogMax: number }
  /** Entities meet in so few lanes. */
  readonly lanes: number
  readonly entities: number
  readonly writes: number
  /** How long there are writes and faults. */
  readonly spanMs: number
  /** The share of commits that a worker hears of at once. */
  readonly hintShare: number
  /** How far the workers' clocks are off. */
  readonly skewMs: number
  readonly latencyMs: number
  readonly poisonShare: number
  /** Share of entities whose delivery kills the worker. */
  readonly killerShare: number
  readonly faults: ReadonlyArray<FaultKind>
  readonly faultCount: number
}

const subset = <A>(chance: Chance, all: ReadonlyArray<A>, share: number): ReadonlyArray<A> =>
  all.filter(() => chance.of(share))

/** Those during which nobody can deliver anything. */
const outages = ["engine-429", "engine-503", "engine-timeout", "engine-auth", "db-refuses"] as const

const faultsOf = (chance: Chance, profile: SimOptions["profile"]): ReadonlyArray<FaultKind> => {
  if (profile === "calm") return []
  if (profile === "outage") return [chance.one(outages)]
  // Few kinds at once leave each of them time to do its harm; all at once find what only meets by accident.
  const share = chance.one([0.15, 0.3, 0.6, 1])
  const found = subset<FaultKind>(chance, [...weathers, ...events], share)
  return found.length === 0 ? [chance.one([...weathers, ...events])] : found
}

export const optionsOf = (seed: number): SimOptions => {
  const chance = stream(seed, "options")
  const profile = chance.one(["calm", "outage", ...Array.from({ length: 8 }, () => "chaos" as const)] as const)
  const isChaos = profile === "chaos"
  return {
    seed,
    profile,
    workers: chance.one([1, 2, 2, 3, 4]),
    batchSize: chance.one([1, 2, 3, 5, 10, 50]),
    concurrency: chance.one([1, 1, 2, 3]),
    leaseMs: chance.one([4_000, 8_000, 15_000, 30_000]),
    pollMs: chance.one([1_000, 2_000, 5_000, 5_000]),
    attemptsMax: isChaos ? chance.one([2, 3, 5, 10, 10]) : 10,
    backoff: { baseMs: chance.one([100, 500, 2_000]), capMs: chance.one([2_000, 8_000, 60_000]) },
    drainMs: chance.one([500, 5_000, 25_000]),
    fanOut: { chunkMax: chance.one([2, 2, 3, 500]), backlogMax: chance.one([3, 6, 2_000]) },
    lanes: chance.one([1, 2, 4, 16]),
    entities: chance.int(2, 10),
    writes: chance.int(15, 40),
    spanMs: (profile === "outage" ? chance.int(60, 400) : chance.int(15, 60)) * 1_000,
    hintShare: chance.one([0, 0.8, 1]),
    skewMs: chance.of(0.3) ? chance.int(-600_000, 600_000) : 0,
    latencyMs: chance.one([0.5, 2, 20]),
    poisonShare: chance.of(profile === "calm" ? 0.7 : 0.3) ? chance.one([0.1, 0.3]) : 0,
    killerShare: isChaos && chance.of(0.15) ? chance.one([0.15, 0.3]) : 0,
    faults: faultsOf(chance, profile),
    faultCount: { calm: 0, outage: 1, chaos: chance.int(2, 14) }[profile]
  }
}

/** One line for whoever reads a failure. */
export const shownOptions = ({ faults, ...options }: SimOptions): string =>
  `${JSON.stringify(options).replaceAll("\"", "")} faults: ${faults.join(" ") || "none"}`
