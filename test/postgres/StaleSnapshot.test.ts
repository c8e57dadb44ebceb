/**
 * A claim that waited between its snapshot and its lock sees rows that others have settled since: it takes none of
 * them.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule } from "effect"
import { SecureRandom } from "effect/crypto"
import * as LeasesPostgres from "../../layers/postgres/LeasesPostgres.ts"
import { migrate } from "../../layers/postgres/Migrations.ts"
import * as OutboxPostgres from "../../layers/postgres/OutboxPostgres.ts"
import * as PostgresClient from "../../layers/postgres/PostgresClient.ts"
import { Leases } from "../../src/outbox/Leases.ts"
import { changeOf, claim, commit, done, idsOf, settle } from "../support/Changes.ts"
import { freshDatabase } from "../support/PostgresForTests.ts"

const gated = "gated"

/** Whoever is called so waits for the gate in the middle of a claim: after its snapshot, before its first lock. */
const gate = [
  "alter table outbox_projections rename to outbox_projections_behind",
  `create function gate() returns boolean volatile language plpgsql as $$ begin
    if current_setting('application_name') = '${gated}' then
      perform pg_advisory_lock_shared(42);
      perform pg_advisory_unlock_shared(42);
    end if;
    return true;
  end $$`,
  `create view outbox_projections as
    select projection, case when gate() then paused_at end as paused_at from outbox_projections_behind`
]

const stores = (address: PostgresClient.Address, name: string, pool: number) =>
  Layer.mergeAll(LeasesPostgres.layer, OutboxPostgres.layer).pipe(
    Layer.provideMerge(PostgresClient.layerTransaction),
    Layer.provideMerge(PostgresClient.layer(address, { name, pool })),
    Layer.provideMerge(SecureRandom.layerWebCrypto)
  )

it.live("a claim with an old snapshot takes nothing that was settled meanwhile", () =>
  Effect.gen(function*() {
    const address = yield* freshDatabase
    const others = yield* Layer.build(stores(address, "test", 4))
    const late = yield* Layer.build(stores(address, gated, 1))
    yield* Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      yield* migrate
      yield* Effect.forEach(gate, (text) => sql.unsafe(text), { discard: true })
      yield* commit(changeOf(), changeOf())
      const session = yield* sql.reserve
      yield* session.execute("select pg_advisory_lock(42)", [], undefined)
      const waiting = yield* Effect.forkChild(Effect.provide(claim({ worker: "late" }), late))
      const isWaiting = sql<{ readonly count: number }>`
        select count(*)::int as count from pg_locks where locktype = 'advisory' and not granted`
      yield* isWaiting.pipe(
        Effect.filterOrFail(([row]) => row?.count === 1),
        Effect.retry(Schedule.spaced("20 millis"))
      )
      const batch = yield* claim({ worker: "first" })
      assert.strictEqual((yield* settle(batch, ...idsOf(batch).map(done))).length, 2)
      yield* session.execute("select pg_advisory_unlock(42)", [], undefined)
      assert.deepStrictEqual((yield* Fiber.join(waiting)).deliveries, [])
      const left = yield* Leases.use((leases) => leases.reclaim("search", { attemptsMax: 10 }))
      assert.deepStrictEqual(left, [])
      const [lanes] = yield* sql<{ readonly taken: number }>`
        select count(*)::int as taken from outbox_lanes where token is not null`
      assert.strictEqual(lanes?.taken, 0)
    }).pipe(Effect.provide(others))
  }).pipe(Effect.scoped), 60_000)
