/** What happened in a run, line by line, and how often each thing that the faults are there for. */
import type { Kernel } from "./Kernel.ts"

/** A run of many seeds in which one of these never happens has tested less than it claims. */
export const sometimes = [
  "write aborted",
  "version conflict refused",
  "commit applied, answer lost",
  "commit not applied",
  "claim whose answer was lost",
  "settlement whose answer was lost",
  "worker killed",
  "worker killed with rows in hand",
  "worker stopped for longer than its lease",
  "worker terminated in order",
  "rows given back untried",
  "attempt failed, not counted",
  "lease lengthened",
  "heartbeat failed",
  "heartbeat found the lease lost",
  "fenced before a write",
  "zombie write reached the index",
  "zombie write superseded",
  "zombie settlement refused",
  "rows reclaimed",
  "row to be tried alone",
  "row tried alone",
  "dead: poison",
  "dead: out of attempts",
  "dead: lease expired",
  "dead: crash loop",
  "superseded",
  "several rows of one entity in a batch",
  "mixed batch",
  "retry scheduled",
  "tombstone written",
  "request on its way for long",
  "chronicle entry known already",
  "breaker opened",
  "breaker opened again",
  "breaker closed again",
  "paused projection gave nothing",
  "replayed a dead row",
  "replayed a done row",
  "replayed row done",
  "delivery timed out",
  "fan-out chunk committed",
  "fan-out went on after its cursor",
  "fan-out gave way to a later name",
  "fan-out waited for room",
  "fan-out chunk whose answer was lost",
  "older name refused"
] as const
export type Sometimes = typeof sometimes[number]

export interface Violation {
  readonly invariant: string
  readonly detail: string
  /** Whose history explains it. */
  readonly entity: string | undefined
}

export class OpLog {
  readonly lines: Array<string> = []
  readonly counts: Map<Sometimes, number> = new Map()
  readonly violations: Array<Violation> = []
  private readonly kernel: Kernel

  constructor(kernel: Kernel) {
    this.kernel = kernel
  }

  say(who: string, what: string): void {
    this.lines.push(`${this.kernel.now.toFixed(3).padStart(11)} ${who.padEnd(6)} ${what}`)
  }

  happened(what: Sometimes, times = 1): void {
    if (times > 0) this.counts.set(what, (this.counts.get(what) ?? 0) + times)
  }

  violated(invariant: string, detail: string, entity?: string): void {
    this.say("!!", `${invariant}: ${detail}`)
    this.violations.push({ invariant, detail, entity })
  }

  /** The last lines that name the entity, or the last of all. */
  about(entity: string | undefined, max: number): ReadonlyArray<string> {
    const word = entity === undefined ? undefined : new RegExp(`\\b${entity}\\b|^ *[\\d.]+ (nemesis|!!)`)
    return (word === undefined ? this.lines : this.lines.filter((line) => word.test(line))).slice(-max)
  }
}
