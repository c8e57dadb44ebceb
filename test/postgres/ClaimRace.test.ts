/**
 * Many who claim and settle the same few lanes at once: a claim that saw the rows from before a settlement and got the
 * lane after it would give out what is done.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Random } from "effect"
import { SqlClient } from "effect/sql"
import type { Settlement } from "../../src/outbox/Leases.ts"
import { fresh } from "../support/Backstage.ts"
import { claim, done, extend, idsOf, reclaim, release, retry, settle } from "../support/Changes.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

const rowsMax = 20_000
const workers = 8

/** Four rows of each entity, in four lanes: fewer than there are workers, so that they meet. */
const fill = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) =>
    sql`insert into outbox_search (entity_type, entity_id, entity_version, op)
    select 'tag', (lpad(to_hex(n / 16), 31, '0') || to_hex(n % 4))::uuid, 1 + n % 16 / 4, 'upsert'
    from generate_series(0, ${rowsMax - 1}) as n`
)

const settlementOf = (id: number, chance: number): Settlement =>
  chance < 90 ? done(id) : chance < 95 ? retry(id) : release(id)

layer(PostgresStores.layer, { excludeTestServices: true })("those who claim and settle at once", (it) => {
  it.effect("are given each row again until it is done, and never after", () =>
    Effect.gen(function*() {
      yield* fill
      const ended = new Map<number, number>()
      const work = (worker: string) =>
        Effect.gen(function*() {
          while (ended.size < rowsMax) {
            const before = new Set(ended.keys())
            const batch = yield* claim({ worker, limit: yield* Random.nextIntBetween(1, 300) })
            const ids = idsOf(batch)
            assert.isFalse(ids.some((id) => before.has(id)), "what is done is not given out")
            if (ids.length === 0) continue
            const cut = yield* Random.nextIntBetween(0, ids.length + 1)
            if (cut % 7 === 0) assert.strictEqual((yield* extend(batch)).size, ids.length)
            for (const part of [ids.slice(0, cut), ids.slice(cut)]) {
              const chances = yield* Effect.forEach(part, () => Random.nextIntBetween(0, 100))
              const settlements = part.map((id, at) => settlementOf(id, chances[at]!))
              assert.deepStrictEqual(yield* settle(batch, ...settlements), part, "all of it was there and held")
              for (const { _tag, id } of settlements) if (_tag === "Done") ended.set(id, (ended.get(id) ?? 0) + 1)
            }
          }
        })
      const looking = Effect.whileLoop({
        while: () => ended.size < rowsMax,
        body: () => Effect.andThen(reclaim(), Effect.sleep("5 millis")),
        step: () => {}
      })
      const all = Array.from({ length: workers }, (_, at) => work(`w${at}`))
      yield* Effect.all([...all, looking], { concurrency: "unbounded" }).pipe(Effect.timeout("60 seconds"))
      assert.isTrue([...ended.values()].every((times) => times === 1), "each is done once")
      const sql = yield* SqlClient.SqlClient
      const [left] = yield* sql`select (select count(*)::int from outbox_search) as rows,
        (select count(*)::int from outbox_lanes where token is not null or ids <> '{}') as held,
        (select count(distinct id)::int from outbox_done where projection = 'search') as done`
      assert.deepInclude(left, { rows: 0, held: 0, done: rowsMax })
    }).pipe(fresh))
})
