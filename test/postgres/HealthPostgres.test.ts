/** Readiness names whoever holds back vacuum, and never ends for it. */
import { assert, layer } from "@effect/vitest"
import { Deferred, Duration, Effect, Layer, Option } from "effect"
import * as HealthPostgres from "../../layers/postgres/HealthPostgres.ts"
import * as SearchIndexPostgres from "../../layers/postgres/SearchIndexPostgres.ts"
import { checked, FurtherChecks } from "../../src/health/Checks.ts"
import { Health } from "../../src/health/Health.ts"
import { type Holder, OldestTransaction } from "../../src/outbox/OldestTransaction.ts"
import { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { Settings } from "../../src/settings/Settings.ts"
import * as PostgresForTests from "../support/PostgresForTests.ts"

const holder = (age_seconds: number): Holder => ({
  kind: "session",
  pid: 4711,
  name: null,
  application_name: "psql",
  user: "x",
  state: "idle in transaction",
  age_seconds,
  age_transactions: 3,
  catalogs_only: false
})

const database = SearchIndexPostgres.layer.pipe(
  Layer.provideMerge(PostgresForTests.layer),
  Layer.provideMerge(Settings.layer({}))
)

layer(database, { excludeTestServices: true })("the readiness check oldest_transaction", (it) => {
  const checkOver = (look: OldestTransaction["Service"]["look"]) =>
    Effect.map(Health.use(({ ready }) => ready), (checks) => {
      assert.strictEqual(checks["database"]?.status, "pass")
      return checks["oldest_transaction"]!
    }).pipe(
      Effect.provide(Layer.fresh(HealthPostgres.layer({ search: false }))),
      Effect.provideService(OldestTransaction, OldestTransaction.of({ look }))
    )

  it.effect("passes while nobody holds back vacuum for ten minutes", () =>
    Effect.gen(function*() {
      for (const found of [Option.none(), Option.some(holder(599))]) {
        const check = yield* checkOver(Effect.succeed(found))
        assert.hasAllKeys(check, ["status", "latency_ms"])
        assert.strictEqual(check.status, "pass")
      }
    }))

  it.effect("passes after that too, and says who it is", () =>
    Effect.gen(function*() {
      const { latency_ms, ...said } = yield* checkOver(Effect.succeedSome(holder(612)))
      assert.deepStrictEqual(said, {
        status: "pass",
        message: "degraded: transaction of pid 4711 (psql, user x) open for 612 s holds back vacuum"
      })
      assert.isNumber(latency_ms)
    }))

  it.effect("is skipped when nobody can tell", () =>
    Effect.gen(function*() {
      const away = Effect.fail(new StoreUnavailable({ cause: new Error("away") }))
      const skipped = { status: "skip", message: "no answer" } as const
      assert.deepStrictEqual(yield* checkOver(away), skipped)
      assert.deepStrictEqual(yield* checkOver(Effect.die(new Error("a bug"))), skipped)
    }))
})

layer(Layer.mergeAll(PostgresForTests.layer, Settings.layer({ HEALTH_CHECK_DB_TIMEOUT: "5s" })), {
  excludeTestServices: true
})("readiness", (it) => {
  it.effect("asks everything at once, so that two that hang take no longer than one", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const allAsked = yield* Deferred.make<void>()
      /** Answers nobody before the last one is asked. */
      const meet = (name: string) =>
        Effect.suspend(() => {
          asked.push(name)
          return asked.length === 3 ? Deferred.succeed(allAsked, undefined) : Deferred.await(allAsked)
        })
      const engine = { engine: "elasticsearch", refresh: meet("search") } as unknown as SearchIndex["Service"]
      const checks = yield* Health.use(({ ready }) => ready).pipe(
        Effect.provide(Layer.fresh(HealthPostgres.layer({ search: true }))),
        Effect.provideService(SearchIndex, engine),
        Effect.provideService(
          OldestTransaction,
          OldestTransaction.of({ look: Effect.as(meet("oldest"), Option.none()) })
        ),
        Effect.provideService(FurtherChecks, {
          ready: { nats: checked(meet("nats"), Duration.seconds(5)) },
          startup: {}
        })
      )
      assert.deepStrictEqual(
        ["database", "search", "oldest_transaction", "nats"].map((name) => checks[name]?.status),
        ["pass", "pass", "pass", "pass"]
      )
    }))
})
