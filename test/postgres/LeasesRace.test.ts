/**
 * Workers that claim, settle, stall and die at once, while leases expire under them: what they were told adds up.
 *
 * Chance decides who is first; whoever is, the sums must be the same.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Random, Semaphore } from "effect"
import { SqlClient } from "effect/sql"
import type { Batch, Settlement } from "../../src/outbox/Leases.ts"
import { fresh, passTime } from "../support/Backstage.ts"
import { claim, commitMany, dead, done, extend, idsOf, reclaim, release, retry, settle } from "../support/Changes.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

const rowsMax = 120
const workers = ["w1", "w2", "w3", "w4"]

/** What the workers were told, by row. */
interface Told {
  readonly claims: Map<number, number>
  readonly releases: Map<number, number>
  readonly lost: Map<number, number>
  readonly ended: Map<number, number>
}

const add = (to: Map<number, number>, ids: Iterable<number>) => {
  for (const id of ids) to.set(id, (to.get(id) ?? 0) + 1)
}
const count = (of: Map<number, number>, id: number) => of.get(id) ?? 0

const settlementOf = (id: number, chance: number): Settlement =>
  chance < 50
    ? done(id)
    : chance < 65
    ? retry(id)
    : chance < 80
    ? release(id)
    : chance < 85
    ? dead(id)
    : retry(id, 5_000)

/** One statement of a worker; `alone` for moving the rows' times, which a real clock does without locking any row. */
interface Turns {
  readonly among: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly alone: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

const work = (told: Told, worker: string, { among }: Turns) =>
  Effect.gen(function*() {
    const kept: Array<Batch> = []
    for (let turn = 0; turn < 25; turn++) {
      const batch = yield* among(claim({ worker, limit: 1 + (turn % 6) }))
      add(told.claims, idsOf(batch))
      kept.push(batch)
      if ((yield* Random.nextIntBetween(0, 5)) === 0) yield* among(extend(kept[0]!))
      // Some batches are settled at once, some late, some twice, some never.
      for (const each of kept.splice(0, yield* Random.nextIntBetween(0, kept.length + 1))) {
        const chances = yield* Effect.forEach(each.deliveries, () => Random.nextIntBetween(0, 100))
        const settlements = each.deliveries.map(({ id }, at) => settlementOf(id, chances[at]!))
        const held = new Set(yield* among(settle(each, ...settlements)))
        const did = settlements.filter(({ id }) => held.has(id))
        add(told.releases, did.filter(({ _tag }) => _tag === "Release").map(({ id }) => id))
        add(told.ended, did.filter(({ _tag }) => _tag === "Done" || _tag === "Dead").map(({ id }) => id))
        if (turn % 5 === 0) assert.deepStrictEqual(yield* among(settle(each, ...settlements)), [])
      }
    }
  })

/** Time passes, and expired leases are reclaimed twice at once, for as long as `isWorking`. */
const expire = (told: Told, { alone, among }: Turns, isWorking: () => boolean) =>
  Effect.gen(function*() {
    while (isWorking()) {
      yield* alone(passTime("11 seconds"))
      const all = among(reclaim({ attemptsMax: 1_000 }))
      const lost = yield* Effect.all([all, all], { concurrency: "unbounded" })
      add(told.lost, lost.flat().map(({ id }) => id))
    }
  })

layer(PostgresStores.layer, { excludeTestServices: true })("workers at once", (it) => {
  it.effect("are each told the truth, whoever is first", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* commitMany(rowsMax)
      const told: Told = { claims: new Map(), releases: new Map(), lost: new Map(), ended: new Map() }
      // One that dies before the others begin, so that there always is something to reclaim.
      add(told.claims, idsOf(yield* claim({ worker: "w-dead", limit: 5 })))
      yield* passTime("31 seconds")
      let working = workers.length
      const gate = yield* Semaphore.make(8)
      const turns: Turns = { among: Semaphore.withPermit(gate), alone: Semaphore.withPermits(gate, 8) }
      const all = workers.map((worker) => Effect.ensuring(work(told, worker, turns), Effect.sync(() => working--)))
      yield* Effect.all([...all, expire(told, turns, () => working > 0)], { concurrency: "unbounded" })
      const rows = yield* sql<
        { readonly id: number; readonly status: string; readonly recorded: number; readonly lost: number }
      >`
      select id::float8 as id, status, count(attempt)::float8 as recorded,
        (count(*) filter (where outcome = 'lease_lost'))::float8 as lost
      from search_outbox_events left join outbox_attempts on projection = 'search' and event_id = id
      group by id, status`
      assert.strictEqual(rows.length, rowsMax)
      for (const { id, lost, recorded, status } of rows) {
        const running = status === "processing" ? 1 : 0
        assert.strictEqual(
          count(told.claims, id) - count(told.releases, id),
          recorded + running,
          `attempts of row ${id}`
        )
        assert.strictEqual(count(told.lost, id), lost, `lost attempts of row ${id}`)
        assert.strictEqual(count(told.ended, id), status === "done" || status === "dead" ? 1 : 0, `end of row ${id}`)
      }
      assert.isAbove(rows.filter(({ status }) => status === "done").length, 0)
      assert.isAbove(told.lost.size, 0)
    }).pipe(fresh))
})
