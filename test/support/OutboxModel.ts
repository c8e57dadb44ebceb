/** What an outbox ought to answer: a small model of its rows and lanes, in steps of whole seconds. */
import { assert } from "@effect/vitest"
import { type Batch, crashes, type Delivery, type LostAttempt, type Settlement } from "../../src/outbox/Leases.ts"
import { isOrdered, type Projection, subscribed } from "../../src/outbox/Projection.ts"

/** No two of these, nor their sums with a tick, come near each other: the real clock may go on meanwhile. */
export const leaseSeconds = 60
export const retrySeconds = 40
export const releaseSeconds = 15
export const tickSeconds = 25

export interface ModelRow {
  readonly projection: Projection
  /** Its number among all changes, which its request id also says. */
  readonly key: number
  readonly entity: string
  readonly lane: number
  state: "fresh" | "waiting" | "alone" | "done" | "dead"
  /** When it may be claimed at the earliest; in an ordered outbox earlier rows of its entity may make it later. */
  due: number
  attempts: number
  crashes: number
  reclaimed: boolean
  /** Attempts that have ended, since ever. */
  recorded: number
}

interface ModelClaim {
  readonly projection: Projection
  readonly worker: string
  until: number
  readonly rows: Set<ModelRow>
}

export const keyOf = ({ requestId }: Delivery) => Number(requestId!.slice(2))

export class OutboxModel {
  readonly rows: Array<ModelRow> = []
  readonly claims = new Map<string, ModelClaim>()
  readonly paused = new Set<Projection>()
  private readonly keys = new Map<string, number>()
  now = 0

  write(key: number, entity: string): void {
    const lane = Number.parseInt(entity.slice(-2), 16) % 32
    for (const projection of subscribed) {
      const zero = { due: 0, attempts: 0, crashes: 0, recorded: 0 }
      this.rows.push({ projection, key, entity, lane, state: "fresh", reclaimed: false, ...zero })
    }
  }

  row(projection: Projection, key: number | undefined): ModelRow {
    const row = this.rows.find((each) => each.projection === projection && each.key === key)
    assert.isDefined(row, `row ${key} of ${projection} was never written`)
    return row
  }

  /** Each store numbers its rows as it likes. */
  keyOfId(projection: Projection, id: number): number | undefined {
    return this.keys.get(`${projection} ${id}`)
  }

  idOfKey(projection: Projection, key: number): number | undefined {
    const found = [...this.keys].find(([name, each]) => each === key && name.startsWith(projection))
    return found === undefined ? undefined : Number(found[0].split(" ")[1])
  }

  claimOf(row: ModelRow): ModelClaim | undefined {
    return [...this.claims.values()].find(({ rows }) => rows.has(row))
  }

  having(projection: Projection, ...states: ReadonlyArray<ModelRow["state"]>) {
    return this.rows.filter((row) => row.projection === projection && states.includes(row.state))
  }

  /** Those in lanes that nobody holds, with the time come. */
  available(projection: Projection, ...states: ReadonlyArray<ModelRow["state"]>) {
    if (this.paused.has(projection)) return []
    const held = [...this.claims.values()].filter((claim) => claim.projection === projection)
    const lanes = new Set(held.flatMap(({ rows }) => [...rows].map(({ lane }) => lane)))
    return this.having(projection, ...states).filter(({ due, lane }) => due <= this.now && !lanes.has(lane))
  }

  /** Takes over what was claimed, if it is a right answer. */
  claimed(batch: Batch, limit: number): void {
    const { projection } = batch
    const available = this.available(projection, "waiting", "fresh")
    const rows = this.taken(batch, available)
    assert.isAtMost(rows.length, limit)
    if (!isOrdered[projection]) {
      assert.strictEqual(rows.length, Math.min(limit, available.length), "as many as there are")
      for (const lane of new Set(rows.map((row) => row.lane))) {
        const order = available.filter((row) => row.lane === lane).toSorted((a, b) =>
          Number(a.state === "fresh") - Number(b.state === "fresh") || a.key - b.key
        )
        const [waiting, fresh] = [order.filter(isWaiting), order.filter((row) => !isWaiting(row))]
        const of = rows.filter((row) => row.lane === lane)
        const latest = Math.max(...of.filter(isWaiting).map(({ due }) => due))
        const left = waiting.filter((row) => !of.includes(row))
        for (const { due } of left) assert.isAtLeast(due, latest, "what waited longest first")
        const taken = of.filter((row) => !isWaiting(row))
        assert.isTrue(taken.length === 0 || left.length === 0, "what waited comes first")
        assert.sameMembers(taken, fresh.slice(0, taken.length), "the oldest first")
      }
    }
    this.lease(batch, rows)
  }

  claimedAlone(batch: Batch): void {
    const available = this.available(batch.projection, "alone")
    const rows = this.taken(batch, available)
    assert.isAtMost(rows.length, 1)
    if (!isOrdered[batch.projection]) assert.strictEqual(rows.length, Math.min(1, available.length))
    this.lease(batch, rows)
  }

  private taken(batch: Batch, available: ReadonlyArray<ModelRow>): ReadonlyArray<ModelRow> {
    const { projection } = batch
    const rows = batch.deliveries.map((delivery) => this.row(projection, keyOf(delivery)))
    for (const [at, row] of rows.entries()) {
      const { attempt, reclaimed } = batch.deliveries[at]!
      assert.include(available, row, `row ${row.key} of ${projection} can be claimed`)
      assert.deepStrictEqual({ attempt, reclaimed }, { attempt: row.attempts + 1, reclaimed: row.reclaimed })
      if (!isOrdered[projection]) continue
      const before = this.having(projection, "fresh", "waiting", "alone").filter((each) =>
        each.entity === row.entity && each.key < row.key
      )
      for (const each of before) assert.include(rows, each, `row ${row.key} is not told before row ${each.key}`)
    }
    return rows
  }

  private lease({ deliveries, projection, token, worker }: Batch, rows: ReadonlyArray<ModelRow>): void {
    for (const delivery of deliveries) this.keys.set(`${projection} ${delivery.id}`, keyOf(delivery))
    if (rows.length === 0) return
    this.claims.set(token, { projection, worker, until: this.now + leaseSeconds, rows: new Set(rows) })
  }

  /** What the batch holds still. */
  held({ token }: Batch): ReadonlySet<ModelRow> {
    const claim = this.claims.get(token)
    return claim !== undefined && claim.until > this.now ? claim.rows : new Set()
  }

  settled(batch: Batch, settlements: ReadonlyArray<Settlement>, ids: ReadonlySet<number>): void {
    const rows = new Set(this.held(batch))
    for (const settlement of settlements) {
      const row = this.row(batch.projection, this.keyOfId(batch.projection, settlement.id))
      assert.strictEqual(ids.has(settlement.id), rows.has(row), `row ${row.key} was held or not`)
      if (rows.has(row)) this.settle(row, settlement)
      if (rows.has(row)) this.free(batch.token, row)
    }
    assert.isAtMost(ids.size, settlements.length)
  }

  private settle(row: ModelRow, settlement: Settlement): void {
    if (settlement._tag === "Release") {
      if (row.state === "fresh") row.state = "waiting"
      row.due = this.now + settlement.delayMs / 1_000
      return
    }
    row.attempts++
    row.recorded++
    if (settlement._tag === "Done") row.state = "done"
    else if (settlement._tag === "Dead") row.state = "dead"
    else {
      row.state = "waiting"
      row.due = this.now + settlement.delayMs / 1_000
      row.reclaimed = false
      row.crashes = 0
    }
  }

  /** A claim without rows holds no lane. */
  private free(token: string, row: ModelRow): void {
    const claim = this.claims.get(token)
    claim?.rows.delete(row)
    if (claim?.rows.size === 0) this.claims.delete(token)
  }

  extended(batch: Batch, ids: ReadonlySet<number>): void {
    const keys = [...ids].map((id) => this.keyOfId(batch.projection, id))
    const rows = this.held(batch)
    assert.sameMembers(keys, [...rows].map(({ key }) => key), "what is held is lengthened")
    if (rows.size > 0) this.claims.get(batch.token)!.until = this.now + leaseSeconds
  }

  reclaimed(projection: Projection, lost: ReadonlyArray<LostAttempt>, attemptsMax: number): void {
    const expired = [...this.claims].filter(([, claim]) => claim.projection === projection && claim.until < this.now)
    if (expired.length === 0) return assert.deepStrictEqual(lost, [], "nothing has expired")
    const first = Math.min(...expired.map(([, { until }]) => until))
    const rows = lost.map(({ id }) => this.row(projection, this.keyOfId(projection, id)))
    const [token, claim] = expired.find(([, each]) => rows[0] !== undefined && each.rows.has(rows[0])) ?? []
    assert.isDefined(claim, "what was lost had expired")
    assert.strictEqual(claim.until, first, "the longest expired first")
    assert.sameMembers(rows, [...claim.rows], "the whole claim and no other")
    for (const [at, row] of rows.entries()) {
      const { attempt, fate, worker } = lost[at]!
      row.crashes++
      row.attempts++
      row.recorded++
      const expected = row.crashes >= crashes.deadAt
        ? "crash_loop"
        : row.attempts >= attemptsMax
        ? "lease_expired"
        : row.crashes >= crashes.aloneAt
        ? "alone"
        : "retried"
      assert.deepStrictEqual({ attempt, fate, worker }, { attempt: row.attempts, fate: expected, worker: claim.worker })
      row.state = fate === "alone" ? "alone" : fate === "retried" ? "waiting" : "dead"
      row.due = this.now
      row.reclaimed = true
    }
    this.claims.delete(token!)
  }

  replayed(rows: ReadonlyArray<ModelRow>, count: number): void {
    assert.strictEqual(count, rows.length, "as many as had ended so")
    for (const row of rows) {
      Object.assign(row, { state: "waiting", due: this.now, attempts: 0, crashes: 0, reclaimed: false })
    }
  }
}

const isWaiting = ({ state }: ModelRow) => state === "waiting"
