/** Asks the database itself: a pool that connects lazily says nothing. */
import { Duration, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { type CheckResult, Health } from "../../src/health/Health.ts"
import { leaving } from "../../src/outbox/Leaving.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { Settings } from "../../src/settings/Settings.ts"
import { missing } from "./Migrations.ts"
import { silent } from "./Statement.ts"

const checked = <A, E, R>(check: Effect.Effect<A, E, R>, within: Duration.Duration) =>
  Effect.timed(leaving(check)).pipe(
    Effect.timeout(within),
    Effect.map(([elapsed]): CheckResult => ({
      status: "pass",
      latency_ms: Math.round(Duration.toMillis(elapsed) * 100) / 100
    })),
    Effect.catchCause(() => Effect.succeed<CheckResult>({ status: "fail", message: "no answer" })),
    silent
  )

const skipped = (message: string): CheckResult => ({ status: "skip", message })

/** `search`: the process cannot work without its search engine. */
export const layer = (needs: { readonly search: boolean }) =>
  Layer.effect(
    Health,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const index = yield* SearchIndex
      const { healthTimeout } = yield* Settings
      const context = yield* Effect.context<SqlClient.SqlClient>()
      const migrated = Effect.flatMap(missing, (steps) => steps === 0 ? Effect.void : Effect.fail("steps are missing"))
        .pipe(
          Effect.provideContext(context)
        )
      return Health.of({
        ready: Effect.gen(function*() {
          return {
            database: yield* checked(sql`select 1`, healthTimeout),
            search: needs.search && index.engine !== "postgres"
              ? yield* checked(index.refresh, healthTimeout)
              : skipped(
                index.engine === "postgres" ? "the database is the search engine" : "reached through the outbox"
              ),
            vector_database: skipped("not part of this product"),
            ai_service: skipped("not part of this product")
          }
        }),
        startup: Effect.map(checked(migrated, healthTimeout), (result) => ({ database_migration: result }))
      })
    })
  )
