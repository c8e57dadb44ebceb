/** What goes wrong now: asked by every call of a worker, told by the nemesis. */
import type { Failure } from "../../src/delivery/Failure.ts"
import type { ErrorType } from "../../src/outbox/ErrorType.ts"
import type { Chance } from "./Chance.ts"
import type { Process } from "./Kernel.ts"
import type { SimOptions, Weather } from "./Options.ts"

/** Calls that cross the wire, and so can be lost, slow, or the last that a process makes. */
export const calls = [
  "claim",
  "claimAlone",
  "hasAlone",
  "settle",
  "reclaim",
  "extend",
  "load",
  "append",
  "fanOut",
  "fanOutLook",
  "tell",
  "bulk"
] as const
export type Call = typeof calls[number]

/** What becomes of a call to the database. `applied` without `answered` is the ambiguous commit. */
export interface Fate {
  readonly upMs: number
  readonly downMs: number
  readonly applied: boolean
  readonly answered: boolean
}

/** What becomes of a bulk request. */
export interface BulkFate {
  readonly upMs: number
  /** `never`: the far side hangs. */
  readonly downMs: number | "never"
  /** So many of its items are written: all, or fewer when nobody hears of it. */
  readonly appliedShare: number
  readonly refusedAs: Failure | undefined
  /** Items that are refused one by one, because there is too much to do. */
  readonly throttledShare: number
}

interface ActiveWeather {
  readonly kind: Weather
  /** `undefined`: everybody. */
  readonly target: string | undefined
  readonly share: number
}

/** Something that befalls a process at the next call of that kind: after it was sent, or after it was done. */
export interface Trap {
  readonly call: Call
  readonly stage: "sent" | "applied"
  readonly spring: (process: Process) => void
}

const failure = (errorClass: Failure["class"], errorType: ErrorType, retryAfterMs?: number): Failure => ({
  class: errorClass,
  errorType,
  detail: `simulated ${errorType}`,
  ...(retryAfterMs === undefined ? {} : { retryAfterMs })
})

export const poison = failure("poison", "es_mapping")
export const throttled: Failure = { ...failure("throttled", "es_429"), detail: "simulated es_429 of one item" }

export class Faults {
  private readonly active: Set<ActiveWeather> = new Set()
  private traps: ReadonlyArray<Trap> = []
  private readonly chance: Chance
  private readonly options: SimOptions
  /** While faults go on; afterwards poison is mended, too. */
  mayHarm = true

  constructor(options: SimOptions, chance: Chance) {
    this.options = options
    this.chance = chance
  }

  begin(weather: ActiveWeather): () => void {
    this.active.add(weather)
    return () => this.active.delete(weather)
  }

  set(trap: Trap): void {
    this.traps = [...this.traps, trap]
  }

  heal(): void {
    this.active.clear()
    this.traps = []
    this.mayHarm = false
  }

  /**
   * Springs a trap that is set for this moment. Answers how much later what was sent arrives: a request may well be on
   * its way for longer than whoever sent it lives, or holds its lease.
   */
  reach(process: Process, call: Call, stage: Trap["stage"]): number {
    const trap = this.traps.find((each) => each.call === call && each.stage === stage)
    if (trap === undefined || process.state !== "running") return 0
    this.traps = this.traps.filter((each) => each !== trap)
    trap.spring(process)
    return stage === "sent" && this.chance.of(0.7) ? this.chance.between(0, 3 * this.options.leaseMs) : 0
  }

  private meets(kind: Weather, process: Process): boolean {
    for (const weather of this.active) {
      const isHere = weather.kind === kind && (weather.target === undefined || weather.target === process.name)
      if (isHere && this.chance.of(weather.share)) return true
    }
    return false
  }

  private latency(): number {
    const { latencyMs } = this.options
    return this.chance.of(0.05) ? this.chance.between(0, 20 * latencyMs) : this.chance.between(0.1, latencyMs)
  }

  database(process: Process, call: Call): Fate {
    const [upMs, downMs] = [this.latency(), this.latency()]
    const fine = { upMs, downMs, applied: true, answered: true }
    if (this.active.size === 0) return fine
    const { chance, options: { leaseMs } } = this
    if (call === "extend" && this.meets("heartbeat-fails", process)) {
      return { upMs, downMs: chance.between(0, leaseMs), applied: chance.of(0.3), answered: false }
    }
    if (this.meets("db-refuses", process)) return { ...fine, applied: false, answered: false }
    if (this.meets("db-loses-answers", process)) return { ...fine, answered: false }
    if (this.meets("db-silent", process)) {
      return { upMs, downMs: chance.between(2_000, 30_000), applied: chance.of(0.5), answered: false }
    }
    if (this.meets("db-slow", process)) {
      return { ...fine, upMs: chance.between(0, leaseMs), downMs: chance.between(0, leaseMs) }
    }
    return fine
  }

  bulk(process: Process): BulkFate {
    const { chance } = this
    const [upMs, downMs] = [this.latency(), this.latency()]
    const fine: BulkFate = { upMs, downMs, appliedShare: 1, refusedAs: undefined, throttledShare: 0 }
    const refused = (refusedAs: Failure) => ({ ...fine, appliedShare: 0, refusedAs })
    if (this.active.size === 0) return fine
    if (this.meets("engine-429", process)) {
      return refused(
        chance.of(0.5) ? failure("throttled", "es_429", chance.int(1, 8) * 1_000) : failure("throttled", "es_429")
      )
    }
    if (this.meets("engine-503", process)) return refused(failure("transient", "es_503"))
    if (this.meets("engine-auth", process)) return refused(failure("configuration", "es_auth"))
    if (this.meets("engine-timeout", process)) {
      const refusedAs = failure("transient", "timeout")
      return { ...fine, downMs: 10_000, appliedShare: chance.one([0, 0.5, 1, 1]), refusedAs }
    }
    if (this.meets("engine-hangs", process)) return { ...fine, downMs: "never", appliedShare: chance.one([0, 1]) }
    if (this.meets("engine-items-429", process)) return { ...fine, throttledShare: chance.between(0.2, 1) }
    if (this.meets("engine-slow", process)) {
      const slow = 1.5 * this.options.leaseMs
      return { ...fine, upMs: chance.between(0, slow), downMs: chance.between(0, slow) }
    }
    return fine
  }
}
