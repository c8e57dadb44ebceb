/** Whose clock a lease goes by: PostgreSQL's at that moment, not the worker's nor that of a transaction's begin. */
import { assert, layer } from "@effect/vitest"
import { Clock, Duration, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { vi } from "vitest"
import { type Batch, Leases } from "../../src/outbox/Leases.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import { fresh } from "../support/Backstage.ts"
import * as Changes from "../support/Changes.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

const { changeOf, claim, commit, dead, done, extend, idsOf, leaseFor, reclaim, release, retry, settle } = Changes

const claimBriefly = Leases.use((leases) =>
  leases.claim("search", { worker: "w1", limit: 10, leaseFor: Duration.seconds(1) })
)

const sqlOf = <A>(ask: (sql: SqlClient.SqlClient) => Effect.Effect<A, unknown>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.orDie(ask(sql)))

/** Microseconds since 1970 on PostgreSQL's clock. */
const now = sqlOf((sql) =>
  Effect.map(
    sql<{ readonly at: number }>`select (date_part('epoch', clock_timestamp()) * 1e6)::float8 as at`,
    ([row]) => row!.at
  )
)
const endOf = ({ token }: Batch) =>
  sqlOf((sql) =>
    Effect.map(
      sql<{ readonly at: number }>`select (date_part('epoch', lease_until) * 1e6)::float8 as at from outbox_lanes
        where projection = 'search' and token = ${token}::uuid`,
      ([row]) => row!.at
    )
  )

const begins = sqlOf((sql) => sql`select 1`)
const waitsLongerThanBriefly = sqlOf((sql) => sql`select pg_sleep(1.1)`)
const inTransaction = <A, E, R>(effect: Effect.Effect<A, E, R>) => Transaction.use(({ run }) => run(effect))

/** The lease that `giving` gives counts from while it was given. */
const lastsFromNow = Effect.fnUntraced(function*<A, E, R>(giving: Effect.Effect<A, E, R>, of: (given: A) => Batch) {
  const before = yield* now
  const given = yield* giving
  const after = yield* now
  const from = (yield* endOf(of(given))) - Duration.toMillis(leaseFor) * 1_000
  assert.isAtLeast(from, before)
  assert.isAtMost(from, after)
  return given
})

/** Given, lengthened and used. */
const life = Effect.gen(function*() {
  const batch = yield* lastsFromNow(claim(), (claimed) => claimed)
  const held = yield* lastsFromNow(extend(batch), () => batch)
  assert.deepStrictEqual([...held], idsOf(batch))
  assert.deepStrictEqual(yield* reclaim(), [])
  assert.deepStrictEqual(yield* settle(batch, ...idsOf(batch).map(done)), idsOf(batch))
})

/** A process whose clock is wrong by so much, however it is read. */
const withClockOff = (by: Duration.Duration) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const clock = yield* Clock.Clock
    vi.setSystemTime(Date.now() + Duration.toMillis(by))
    const nanos = () => clock.currentTimeNanosUnsafe() + Duration.toNanosUnsafe(by)
    return yield* Effect.provideService(effect, Clock.Clock, {
      currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
      currentTimeMillis: clock.currentTimeMillis,
      currentTimeNanosUnsafe: nanos,
      currentTimeNanos: Effect.sync(nanos),
      monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
      monotonicTimeNanos: clock.monotonicTimeNanos,
      sleep: (duration) => clock.sleep(duration)
    })
  }).pipe(Effect.ensuring(Effect.sync(() => void vi.useRealTimers())))

layer(PostgresStores.layer, { excludeTestServices: true })("a lease", (it) => {
  for (
    const [what, by] of [["ahead", Duration.hours(1)], ["behind", Duration.hours(-1)]] as const
  ) {
    it.effect(`lasts as long as it was asked for, with the worker's clock an hour ${what}`, () =>
      commit(changeOf()).pipe(Effect.andThen(life), withClockOff(by), fresh))
  }

  it.effect("lasts as long as it was asked for, however long ago the transaction began that it is given in", () =>
    commit(changeOf()).pipe(Effect.andThen(inTransaction(Effect.andThen(begins, life))), fresh))

  it.effect("is over for a settlement whose transaction began while it lasted", () =>
    Effect.gen(function*() {
      yield* commit(changeOf())
      const late = Effect.gen(function*() {
        const batch = yield* claimBriefly
        const [id] = idsOf(batch) as [number]
        yield* waitsLongerThanBriefly
        assert.strictEqual((yield* extend(batch)).size, 0)
        return yield* Effect.forEach([done(id), retry(id), dead(id), release(id)], (each) => settle(batch, each))
      })
      assert.deepStrictEqual(yield* inTransaction(late), [[], [], [], []])
    }).pipe(fresh))

  it.effect("is over for who looks for dead workers in a transaction that began while it lasted", () =>
    Effect.gen(function*() {
      yield* commit(changeOf())
      const late = Effect.gen(function*() {
        const batch = yield* claimBriefly
        yield* waitsLongerThanBriefly
        assert.deepStrictEqual((yield* reclaim()).map(({ id }) => id), idsOf(batch))
      })
      yield* inTransaction(late)
    }).pipe(fresh))
})
