/** What an outbox ought to answer: a small model of its rows, in steps of whole seconds. */
import { assert } from "@effect/vitest"
import type { Batch, LostAttempt, Settlement } from "../../src/outbox/Leases.ts"

/** No two of these, nor their sums with a tick, come near each other: the real clock may go on meanwhile. */
export const leaseSeconds = 60
export const retrySeconds = 40
export const tickSeconds = 25
export const attemptsMax = 2

type State =
  | { readonly _tag: "ready" | "done" | "dead" }
  | { readonly _tag: "waiting"; readonly due: number }
  | { readonly _tag: "leased"; readonly token: string; readonly worker: string; readonly until: number }

export interface ModelRow {
  /** Its number among all rows, which it also has as its entity's version. */
  readonly key: number
  state: State
  attempts: number
  reclaimed: boolean
  /** Claims that were not given back, since ever: each is an ended attempt, or the running one. */
  counted: number
}

export class OutboxModel {
  readonly rows: Array<ModelRow> = []
  now = 0

  write(): number {
    const key = this.rows.length + 1
    this.rows.push({ key, state: { _tag: "ready" }, attempts: 0, reclaimed: false, counted: 0 })
    return key
  }

  having<T extends State["_tag"]>(tag: T) {
    return this.rows.filter((row): row is ModelRow & { state: State & { readonly _tag: T } } => row.state._tag === tag)
  }

  row(key: number): ModelRow {
    const row = this.rows[key - 1]
    assert.isDefined(row, `row ${key} was never written`)
    return row
  }

  /** Takes over what was claimed, if it is a right answer. */
  claimed(batch: Batch, limit: number): void {
    const due = this.having("waiting").filter(({ state }) => state.due <= this.now)
    const ready = this.having("ready")
    assert.strictEqual(batch.deliveries.length, Math.min(limit, due.length + ready.length), "as many as there are")
    const claimed = batch.deliveries.map(({ version }) => this.row(version))
    const left = (row: ModelRow) => !claimed.includes(row)
    const latest = Math.max(...due.filter((row) => claimed.includes(row)).map(({ state }) => state.due))
    for (const { state } of due.filter(left)) assert.isAtLeast(state.due, latest, "the longest due first")
    const fresh = claimed.filter(({ state }) => state._tag === "ready")
    assert.isTrue(fresh.length === 0 || !due.some(left), "what is due again first")
    assert.deepStrictEqual(fresh, ready.slice(0, fresh.length), "the oldest first")
    for (const { attempt, reclaimed, version } of batch.deliveries) {
      const row = this.row(version)
      assert.include(["ready", "waiting"], row.state._tag, `row ${version} is nobody's`)
      assert.strictEqual(attempt, row.attempts + 1, "the attempt is counted")
      assert.strictEqual(reclaimed, row.reclaimed)
      row.attempts++
      row.counted++
      row.state = { _tag: "leased", token: batch.token, worker: batch.worker, until: this.now + leaseSeconds }
    }
  }

  isHeld({ state }: ModelRow, { token }: Batch): boolean {
    return state._tag === "leased" && state.token === token && state.until > this.now
  }

  settled(batch: Batch, settlements: ReadonlyArray<Settlement>, held: ReadonlySet<number>): void {
    for (const { id, version } of batch.deliveries) {
      const settlement = settlements.find((each) => each.id === id)
      const row = this.row(version)
      const expected = settlement !== undefined && this.isHeld(row, batch)
      assert.strictEqual(held.has(id), expected, `row ${version} ${expected ? "was" : "was not"} held`)
      if (expected) this.settle(row, settlement)
    }
    assert.isAtMost(held.size, settlements.length)
  }

  settle(row: ModelRow, settlement: Settlement): void {
    switch (settlement._tag) {
      case "Done":
        row.state = { _tag: "done" }
        break
      case "Dead":
        row.state = { _tag: "dead" }
        break
      case "Retry":
        row.state = { _tag: "waiting", due: this.now + settlement.delayMs / 1_000 }
        row.reclaimed = false
        break
      case "Release":
        row.state = { _tag: "ready" }
        row.attempts--
        row.counted--
    }
  }

  extended(batch: Batch, held: ReadonlySet<number>): void {
    for (const { id, version } of batch.deliveries) {
      const row = this.row(version)
      assert.strictEqual(held.has(id), this.isHeld(row, batch), `row ${version} is held`)
      if (held.has(id) && row.state._tag === "leased") row.state = { ...row.state, until: this.now + leaseSeconds }
    }
  }

  reclaimed(lost: ReadonlyArray<LostAttempt>, keyOf: (id: number) => number, limit: number): void {
    const expired = this.having("leased").filter(({ state }) => state.until < this.now)
    assert.strictEqual(lost.length, Math.min(limit, expired.length), "every expired row, up to the limit")
    const taken = new Set(lost.map(({ id }) => this.row(keyOf(id))))
    const latest = Math.max(...expired.filter((row) => taken.has(row)).map(({ state }) => state.until))
    const left = expired.filter((row) => !taken.has(row))
    for (const { state } of left) assert.isAtLeast(state.until, latest, "the longest expired first")
    for (const each of lost) {
      const row = this.row(keyOf(each.id))
      assert.isTrue(expired.some(({ key }) => key === row.key), `row ${row.key} had expired`)
      assert.strictEqual(each.attempt, row.attempts)
      assert.strictEqual(each.worker, row.state._tag === "leased" ? row.state.worker : undefined)
      assert.strictEqual(each.dead, row.attempts >= attemptsMax)
      row.state = { _tag: each.dead ? "dead" : "ready" }
      row.reclaimed = !each.dead
    }
  }

  replayed(rows: ReadonlyArray<ModelRow>, count: number): void {
    assert.strictEqual(count, rows.length, "as many as had ended so")
    for (const row of rows) {
      row.state = { _tag: "ready" }
      row.attempts = 0
      row.reclaimed = false
    }
  }
}
