/** What every store promises of an ordered outbox: an entity's changes are told in their order, whatever happens. */
import { assert, type Vitest } from "@effect/vitest"
import { Effect } from "effect"
import type { Batch, Leases, Settlement } from "../../src/outbox/Leases.ts"
import type { Outbox } from "../../src/outbox/Outbox.ts"
import { OutboxReport } from "../../src/outbox/OutboxReport.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import type { Transaction } from "../../src/outbox/Transaction.ts"
import { type Backstage, fresh, passTime } from "../support/Backstage.ts"
import * as Changes from "../support/Changes.ts"
import { suiteOf } from "./Suite.ts"

const { changeOf, commit, dead, done, idInLane, idsOf, release, retry, settle } = Changes

type Needs = Leases | Outbox | OutboxReport | Transaction | Backstage
type It = Vitest.MethodsNonLive<Needs>

const projection: Projection = "chronicle"
const claim = (limit = 100) => Changes.claim({ projection, limit })
const claimAlone = Changes.claimAlone({ projection })
const reclaim = Changes.reclaim({ projection, attemptsMax: 100 })

/** Two entities of one lane: nothing but their order keeps them apart. */
const entities = Effect.sync(() => ({ a: idInLane(6), b: idInLane(6) }))

const write = (id: ReturnType<typeof idInLane>, ...versions: ReadonlyArray<number>) =>
  commit(...versions.map((version) => changeOf({ id, version })))

const versionsOf = ({ deliveries }: Batch) => deliveries.map(({ version }) => version)
const idOf = (batch: Batch, version: number) => batch.deliveries.find((each) => each.version === version)!.id
const all = (batch: Batch, settlement: (id: number) => Settlement) => settle(batch, ...idsOf(batch).map(settlement))

/** What is given out, until nothing is any more; all of it succeeds. */
const drained = (limit?: number) =>
  Effect.gen(function*() {
    const versions: Array<number> = []
    // A claim that only found rows to hold back answers none: that happens once for each row.
    for (let turn = 0, idle = 0; turn < 100 && idle < 10; turn++) {
      const batch = yield* claim(limit)
      versions.push(...versionsOf(batch))
      yield* all(batch, done)
      if (batch.deliveries.length === 0) idle++
    }
    return versions
  })

const crashed = (times: number, claiming: Effect.Effect<Batch, any, Leases>) =>
  Effect.gen(function*() {
    const fates: Array<string> = []
    for (let crash = 0; crash < times; crash++) {
      yield* claiming
      yield* passTime("31 seconds")
      fates.push(...(yield* reclaim).map(({ fate }) => fate))
    }
    return fates
  })

const failing = (it: It) => {
  it.effect("a row that fails holds back the later ones of its entity, and of no other", () =>
    Effect.gen(function*() {
      const { a, b } = yield* entities
      yield* write(a, 1, 2)
      yield* write(b, 11)
      const first = yield* claim(1)
      assert.deepStrictEqual(versionsOf(first), [1])
      yield* all(first, (id) => retry(id, 10_000))
      yield* write(a, 3)
      yield* write(b, 12)
      assert.deepStrictEqual(yield* drained(), [11, 12])
      yield* write(a, 4)
      yield* passTime("9 seconds")
      assert.deepStrictEqual(yield* drained(), [])
      yield* passTime("2 seconds")
      assert.deepStrictEqual(yield* drained(), [1, 2, 3, 4])
    }).pipe(fresh))

  it.effect("waits for it again each time that it fails, and whatever came back with it", () =>
    Effect.gen(function*() {
      const { a, b } = yield* entities
      yield* write(a, 1, 2, 3)
      yield* write(b, 11)
      const first = yield* claim()
      yield* settle(first, retry(idOf(first, 1), 10_000), release(idOf(first, 2)), retry(idOf(first, 3), 1_000))
      yield* settle(first, done(idOf(first, 11)))
      yield* write(b, 12)
      assert.deepStrictEqual(yield* drained(), [12])
      yield* passTime("5 seconds")
      assert.deepStrictEqual(yield* drained(), [])
      yield* passTime("6 seconds")
      const second = yield* claim(1)
      assert.deepStrictEqual(versionsOf(second), [1])
      yield* all(second, (id) => retry(id, 20_000))
      assert.deepStrictEqual(yield* drained(), [])
      yield* passTime("21 seconds")
      assert.deepStrictEqual(yield* drained(1), [1, 2, 3])
    }).pipe(fresh))

  it.effect("goes on with the later ones when it is dead", () =>
    Effect.gen(function*() {
      const { a } = yield* entities
      yield* write(a, 1, 2)
      const first = yield* claim(1)
      yield* all(first, (id) => dead(id))
      assert.deepStrictEqual(yield* drained(), [2])
    }).pipe(fresh))

  it.effect("does not hold back where no order is promised", () =>
    Effect.gen(function*() {
      const { a } = yield* entities
      yield* write(a, 1, 2)
      const first = yield* Changes.claim({ limit: 1 })
      yield* all(first, (id) => retry(id, 10_000))
      assert.deepStrictEqual(versionsOf(yield* Changes.claim()), [2])
    }).pipe(fresh))
}

const comingBack = (it: It) => {
  it.effect("keeps the order of rows that are given back, one by one", () =>
    Effect.gen(function*() {
      const { a } = yield* entities
      yield* write(a, 1, 2, 3)
      for (const delayMs of [0, 10_000]) {
        const batch = yield* claim(2)
        assert.deepStrictEqual(versionsOf(batch), [1, 2])
        yield* settle(batch, release(idOf(batch, 2)))
        yield* settle(batch, release(idOf(batch, 1), delayMs))
      }
      assert.deepStrictEqual(yield* drained(), [])
      yield* passTime("11 seconds")
      assert.deepStrictEqual(yield* drained(1), [1, 2, 3])
    }).pipe(fresh))

  it.effect("keeps the order of rows whose worker died", () =>
    Effect.gen(function*() {
      const { a, b } = yield* entities
      yield* write(a, 1, 2, 3)
      yield* write(b, 11)
      assert.deepStrictEqual(yield* crashed(1, claim(2)), ["retried", "retried"])
      assert.deepStrictEqual((yield* drained(1)).filter((version) => version < 10), [1, 2, 3])
    }).pipe(fresh))

  it.effect("keeps behind it what had waited for a row whose worker then died", () =>
    Effect.gen(function*() {
      const { a } = yield* entities
      yield* write(a, 1, 2, 3)
      const first = yield* claim(1)
      yield* all(first, (id) => retry(id, 10_000))
      assert.deepStrictEqual(yield* drained(), [])
      yield* passTime("11 seconds")
      yield* crashed(1, claim(1))
      assert.deepStrictEqual(yield* drained(1), [1, 2, 3])
    }).pipe(fresh))

  it.effect("keeps behind it what comes after a row that is tried alone", () =>
    Effect.gen(function*() {
      const { a, b } = yield* entities
      yield* write(a, 1, 2)
      yield* write(b, 11)
      assert.deepStrictEqual(yield* crashed(3, claim(1)), ["retried", "retried", "alone"])
      yield* write(a, 3)
      assert.deepStrictEqual(yield* drained(), [11])
      yield* passTime("60 seconds")
      assert.deepStrictEqual(yield* drained(), [])
      const alone = yield* claimAlone
      assert.deepStrictEqual(versionsOf(alone), [1])
      yield* all(alone, done)
      assert.deepStrictEqual(yield* drained(), [2, 3])
    }).pipe(fresh))

  it.effect("tries rows of one entity alone in their order", () =>
    Effect.gen(function*() {
      const { a } = yield* entities
      yield* write(a, 1, 2)
      assert.deepStrictEqual(
        yield* crashed(3, claim()),
        [1, 2, 3].flatMap((crash) => {
          const fate = crash === 3 ? "alone" : "retried"
          return [fate, fate]
        })
      )
      const first = yield* claimAlone
      assert.deepStrictEqual(versionsOf(first), [1])
      yield* all(first, (id) => retry(id, 10_000))
      yield* passTime("11 seconds")
      assert.deepStrictEqual(idsOf(yield* claimAlone), [])
      const again = yield* claim()
      assert.deepStrictEqual(versionsOf(again), [1])
      yield* all(again, done)
      assert.deepStrictEqual(versionsOf(yield* claimAlone), [2])
    }).pipe(fresh))

  it.effect("leaves none out when an earlier one is made due again", () =>
    Effect.gen(function*() {
      const { a } = yield* entities
      yield* write(a, 1, 2, 3)
      const first = yield* claim(2)
      yield* settle(first, done(idOf(first, 2)), release(idOf(first, 1)))
      // The third learns that it has to wait for the first, and until when; the second is then due later than that.
      assert.deepStrictEqual(versionsOf(yield* claim(2)), [1])
      yield* OutboxReport.use((report) => report.replay({ projection, status: "done" }))
      yield* write(a, 4)
      yield* passTime("31 seconds")
      yield* reclaim
      assert.deepStrictEqual(yield* drained(), [1, 2, 3, 4])
    }).pipe(fresh))
}

export const suite = suiteOf<Needs>("Order", [failing, comingBack])
