/** Follows every answer that the outbox gives, and objects as soon as one breaks what the outbox promises. */
import { Duration } from "effect"
import type { EntityId } from "../../src/domain/Entity.ts"
import { type Batch, crashes, type LostAttempt, type Settlement } from "../../src/outbox/Leases.ts"
import { isOrdered, type Projection } from "../../src/outbox/Projection.ts"
import { couldKeep } from "./Disturbed.ts"
import { epoch, type Kernel } from "./Kernel.ts"
import type { OpLog } from "./OpLog.ts"
import type { SimOptions } from "./Options.ts"
import { type RowFacts, shown } from "./Rows.ts"

export class Ledger {
  readonly rows: Map<number, RowFacts> = new Map()
  readonly names: Map<EntityId, string> = new Map()
  /** Rows that have not ended. */
  readonly open: Set<RowFacts> = new Set()
  readonly paused: Set<Projection> = new Set()
  /** Entities whose delivery fails by itself. */
  readonly poisoned: Set<EntityId> = new Set()
  /** Whether that process lives; who runs them says it. */
  isAlive: (worker: string) => boolean = () => false
  /** When the database last refused a call. */
  refusedAt = -Infinity
  /** Since when each worker knows that it must end. */
  readonly ending: Map<string, number> = new Map()
  readonly log: OpLog
  private readonly kernel: Kernel
  private readonly options: SimOptions

  constructor(kernel: Kernel, log: OpLog, options: SimOptions) {
    this.kernel = kernel
    this.log = log
    this.options = options
  }

  nameOf(entity: EntityId): string {
    return this.names.get(entity) ?? "nobody"
  }

  of(entity: EntityId, projection: Projection): ReadonlyArray<RowFacts> {
    return [...this.rows.values()].filter((row) => row.entity === entity && row.projection === projection)
  }

  private some(projection: Projection, is: (row: RowFacts) => boolean): boolean {
    for (const row of this.open) if (row.projection === projection && is(row)) return true
    return false
  }

  /** Whether a claim could find anything: what is held keeps others of its lane waiting. */
  isClaimable(projection: Projection): boolean {
    if (this.paused.has(projection)) return false
    const isBusy = (lane: string | undefined) =>
      this.some(projection, ({ entity, hold }) => hold !== undefined && entity.at(-1) === lane)
    const isDue = ({ dueAt, hold }: RowFacts) => hold === undefined && dueAt <= this.kernel.now
    return this.some(projection, (row) => isDue(row) && !isBusy(row.entity.at(-1)))
  }

  hasExpired(projection: Projection): boolean {
    return this.some(projection, (row) => row.hold !== undefined && row.hold.until <= this.kernel.now)
  }

  hasAlone(projection: Projection): boolean {
    return this.some(projection, (row) => row.alone)
  }

  private row(id: number, invariant: string): RowFacts | undefined {
    const row = this.rows.get(id)
    if (row === undefined) this.log.violated(invariant, `nobody ever wrote row #${id}`)
    return row
  }

  private expect(holds: boolean, invariant: string, row: RowFacts, detail: string): void {
    if (!holds) this.log.violated(invariant, `${shown(row)} ${row.projection}: ${detail}`, row.name)
  }

  /** A block that is projected anew for a name that it shows has another row of the same version. */
  appended(
    row: Pick<RowFacts, "id" | "projection" | "entity" | "name" | "version" | "op" | "traced">,
    isAnew = false
  ): void {
    const twin = this.of(row.entity, row.projection).find(({ version }) => version === row.version && !isAnew)
    const facts: RowFacts = {
      ...row,
      createdAt: this.kernel.now,
      state: "open",
      endedAt: 0,
      attempts: 0,
      crashes: 0,
      alone: false,
      dueAt: this.kernel.now,
      hold: undefined,
      recorded: [],
      everDead: false,
      replayed: false,
      processTold: 0,
      lostTold: 0
    }
    this.rows.set(row.id, facts)
    this.open.add(facts)
    if (twin !== undefined) this.log.violated("3 conservation", `${shown(twin)} has two rows`, row.name)
  }

  /** A claim is about to be sent. */
  asked(by: string, projection: Projection): void {
    const since = this.ending.get(by)
    if (since === undefined || since === this.kernel.now) return
    this.log.violated(
      "stop",
      `${by} claims ${projection} ${(this.kernel.now - since).toFixed(0)} ms after it was told to end`
    )
  }

  claimed(by: string, batch: Batch, leaseFor: Duration.Duration, alone: boolean): void {
    const { deliveries, projection, token } = batch
    if (deliveries.length === 0) {
      if (this.paused.has(projection)) this.log.happened("paused projection gave nothing")
      return
    }
    const until = batch.claimedAt / 1_000 - epoch + Duration.toMillis(leaseFor)
    const found = deliveries.flatMap(({ id }) => this.row(id, "4 exclusive") ?? [])
    this.log.say(by, `${alone ? "claims alone" : "claims"} ${projection} t${token} ${found.map(shown).join(", ")}`)
    if (new Set(found.map(({ name }) => name)).size < found.length) {
      this.log.happened("several rows of one entity in a batch")
    }
    if (alone) this.log.happened("row tried alone")
    const pausedRow = found[0]
    if (pausedRow !== undefined) this.expect(!this.paused.has(projection), "pause", pausedRow, "claimed while paused")
    for (const [at, row] of found.entries()) {
      const { attempt } = deliveries[at]!
      this.expect(row.projection === projection, "4 exclusive", row, `was given out of ${projection}`)
      this.expect(row.state === "open", "4 exclusive", row, `was claimed although ${row.state}`)
      this.expect(row.hold === undefined, "4 exclusive", row, `t${token} and t${row.hold?.token} both hold it`)
      const next = row.attempts + 1
      this.expect(attempt === next, "5 attempts", row, `is told attempt ${attempt} instead of ${next}`)
      this.expect(row.alone === alone && (!alone || found.length === 1), "alone", row, "is not tried as it should be")
      this.expect(row.dueAt <= this.kernel.now, "due", row, `is not due before ${row.dueAt}`)
      row.hold = { token, worker: by, until }
    }
    if (isOrdered[projection]) this.inOrder(found, token)
  }

  /** An earlier version that has not ended is either ahead of it in the batch, or holds it back. */
  private inOrder(found: ReadonlyArray<RowFacts>, token: string): void {
    for (const row of found) {
      const earlier = this.of(row.entity, row.projection).find((other) =>
        other.version < row.version && other.state === "open" && other.hold?.token !== token
      )
      this.expect(earlier === undefined, "6 order", row, `was claimed before ${earlier && shown(earlier)} had ended`)
    }
    const before = (a: RowFacts, b: RowFacts) => a.entity === b.entity && a.version > b.version
    const wrong = found.find((row, at) => found.slice(at + 1).some((later) => before(row, later)))
    if (wrong !== undefined) this.expect(false, "6 order", wrong, "stands before an earlier version in its batch")
  }

  extended(by: string, batch: Batch, ids: ReadonlySet<number>, leaseFor: Duration.Duration): void {
    const until = this.kernel.now + Duration.toMillis(leaseFor)
    const found = batch.deliveries.flatMap(({ id }) => this.row(id, "4 exclusive") ?? [])
    for (const row of found) {
      const mine = row.hold?.token === batch.token && row.hold.until > this.kernel.now
      this.expect(mine === ids.has(row.id), "4 exclusive", row, `heartbeat of t${batch.token} is told the opposite`)
      if (mine && row.hold !== undefined) row.hold.until = until
    }
    if (ids.size > 0) this.log.happened("lease lengthened")
    else this.log.happened("heartbeat found the lease lost")
    this.log.say(
      by,
      `extends t${batch.token}: ${ids.size} of ${found.length} ${found.map(({ name }) => name).join(" ")}`
    )
  }

  settled(by: string, batch: Batch, settlements: ReadonlyArray<Settlement>, ids: ReadonlySet<number>): void {
    const said: Array<string> = []
    for (const settlement of settlements) {
      const row = this.row(settlement.id, "4 exclusive")
      if (row === undefined) continue
      const held = ids.has(row.id)
      const mine = row.hold?.token === batch.token && row.hold.until > this.kernel.now
      this.expect(mine === held, "4 exclusive", row, `settlement by t${batch.token} ${held ? "changed" : "missed"} it`)
      said.push(`${shown(row)} ${settlement._tag}${held ? "" : " refused"}`)
      if (held) this.ended(row, settlement)
      else this.log.happened("zombie settlement refused")
    }
    if (new Set(settlements.map(({ _tag }) => _tag)).size > 1) this.log.happened("mixed batch")
    this.log.say(by, `settles ${batch.projection} t${batch.token} ${said.join(", ")}`)
  }

  private ended(row: RowFacts, settlement: Settlement): void {
    row.hold = undefined
    if ("delayMs" in settlement) row.dueAt = this.kernel.now + settlement.delayMs
    if (settlement._tag === "Release") {
      if (settlement.why === null) this.log.happened("rows given back untried")
      else this.log.happened("attempt failed, not counted")
      return
    }
    row.attempts++
    row.recorded.push(row.attempts)
    row.alone = false
    switch (settlement._tag) {
      case "Retry": {
        row.crashes = 0
        this.expect(
          row.attempts < this.options.attemptsMax,
          "3 conservation",
          row,
          "is tried again beyond its attempts"
        )
        if (settlement.detail === "the delivery did not end") this.log.happened("delivery timed out")
        return this.log.happened("retry scheduled")
      }
      case "Done": {
        if (settlement.outcome === "superseded") this.log.happened("superseded")
        if (row.replayed) this.log.happened("replayed row done")
        return this.over(row, "done")
      }
      case "Dead": {
        const poisonous = settlement.errorType === "es_mapping"
        const own = poisonous && this.poisoned.has(row.entity) && row.projection === "search"
        const exhausted = row.attempts >= this.options.attemptsMax
        this.expect(
          own || (!poisonous && exhausted),
          "3 conservation",
          row,
          `died of ${settlement.errorType} for nothing`
        )
        const outage = this.options.profile === "outage"
        this.expect(poisonous || !outage, "9 outage", row, `was buried for an outage (${settlement.errorType})`)
        this.log.happened(poisonous ? "dead: poison" : "dead: out of attempts")
        return this.over(row, "dead")
      }
    }
  }

  private over(row: RowFacts, as: "done" | "dead"): void {
    row.state = as
    row.endedAt = this.kernel.now
    if (as === "dead") row.everDead = true
    this.open.delete(row)
  }

  reclaimed(by: string, projection: Projection, lost: ReadonlyArray<LostAttempt>): void {
    if (lost.length === 0) return
    const said: Array<string> = []
    for (const { attempt, fate, id, worker } of lost) {
      const row = this.row(id, "4 exclusive")
      if (row === undefined) continue
      said.push(`${shown(row)} ${fate}`)
      const ended = row.hold !== undefined && row.hold.until <= this.kernel.now
      this.expect(ended, "4 exclusive", row, `was taken back from ${row.hold?.worker ?? "nobody"} before its time`)
      this.expect(row.hold?.worker === worker, "4 exclusive", row, `was not lost by ${worker}`)
      const kept = this.isAlive(worker) && couldKeep(this.options.faults, row.hold?.until ?? 0, this.refusedAt)
      this.expect(!kept, "heartbeat", row, `was lost by ${worker}, which nothing had disturbed`)
      this.expect(attempt === row.attempts + 1, "5 attempts", row, `lost attempt ${attempt} after ${row.attempts}`)
      row.hold = undefined
      row.dueAt = this.kernel.now
      row.attempts++
      row.crashes++
      row.recorded.push(row.attempts)
      const due = this.fateOf(row)
      this.expect(fate === due, "3 conservation", row, `its fate is ${fate} instead of ${due}`)
      row.alone = due === "alone"
      if (due === "alone") this.log.happened("row to be tried alone")
      if (due === "crash_loop" || due === "lease_expired") {
        this.log.happened(due === "crash_loop" ? "dead: crash loop" : "dead: lease expired")
        this.over(row, "dead")
      }
    }
    this.log.happened("rows reclaimed")
    this.log.say(by, `reclaims ${projection} ${said.join(", ")}`)
  }

  private fateOf(row: RowFacts): LostAttempt["fate"] {
    if (row.crashes >= crashes.deadAt) return "crash_loop"
    if (row.attempts >= this.options.attemptsMax) return "lease_expired"
    return row.crashes >= crashes.aloneAt ? "alone" : "retried"
  }

  /** `ids` are what the outbox made due again. */
  replayed(projection: Projection, status: "done" | "dead", ids: ReadonlyArray<number>): void {
    for (const id of ids) {
      const row = this.row(id, "replay")
      if (row === undefined) continue
      this.expect(row.state === status, "replay", row, `was replayed as ${status} although ${row.state}`)
      row.state = "open"
      row.attempts = 0
      row.crashes = 0
      row.alone = false
      row.replayed = true
      row.dueAt = this.kernel.now
      this.open.add(row)
      this.log.happened(status === "dead" ? "replayed a dead row" : "replayed a done row")
    }
    if (ids.length > 0) {
      const names = ids.flatMap((id) => this.rows.get(id) ?? []).map(shown)
      this.log.say("nemesis", `replays ${projection} ${status} ${names.join(", ")}`)
    }
  }
}
