/** Asks the database itself: a pool that connects lazily says nothing. */
import { Duration, Effect, Layer, Option } from "effect"
import { SqlClient } from "effect/sql"
import { type CheckResult, Health } from "../../src/health/Health.ts"
import { leaving } from "../../src/outbox/Leaving.ts"
import { heldFor, OldestTransaction, told } from "../../src/outbox/OldestTransaction.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { Settings } from "../../src/settings/Settings.ts"
import { missing } from "./Migrations.ts"
import { silent } from "./Statement.ts"

/** Seconds: autovacuum, which comes every minute, has then come ten times in vain. */
const degradedAfter = 600

const latency = (elapsed: Duration.Duration) => Math.round(Duration.toMillis(elapsed) * 100) / 100

const checked = <A, E, R>(check: Effect.Effect<A, E, R>, within: Duration.Duration) =>
  Effect.timed(leaving(check)).pipe(
    Effect.timeout(within),
    Effect.map(([elapsed]): CheckResult => ({ status: "pass", latency_ms: latency(elapsed) })),
    Effect.catchCause(() => Effect.succeed<CheckResult>({ status: "fail", message: "no answer" })),
    silent
  )

const skipped = (message: string): CheckResult => ({ status: "skip", message })

/** Never a `fail`: to take this process out of service would end nobody's transaction. */
const vacuumHeld = (look: OldestTransaction["Service"]["look"], within: Duration.Duration) =>
  Effect.timed(leaving(look)).pipe(
    Effect.timeout(within),
    Effect.map(([elapsed, found]): CheckResult => ({
      status: "pass",
      latency_ms: latency(elapsed),
      ...Option.match(heldFor(found, degradedAfter), {
        onNone: () => ({}),
        onSome: (holder) => ({ message: `degraded: ${told(holder)}` })
      })
    })),
    Effect.catchCause(() => Effect.succeed(skipped("no answer"))),
    silent
  )

/** `search`: the process cannot work without its search engine. */
export const layer = (needs: { readonly search: boolean }) =>
  Layer.effect(
    Health,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const index = yield* SearchIndex
      const oldest = yield* OldestTransaction
      const { healthTimeout } = yield* Settings
      const context = yield* Effect.context<SqlClient.SqlClient>()
      const migrated = Effect.flatMap(missing, (steps) => steps === 0 ? Effect.void : Effect.fail("steps are missing"))
        .pipe(
          Effect.provideContext(context)
        )
      return Health.of({
        ready: Effect.gen(function*() {
          const database = yield* checked(sql`select 1`, healthTimeout)
          return {
            database,
            search: needs.search && index.engine !== "postgres"
              ? yield* checked(index.refresh, healthTimeout)
              : skipped(
                index.engine === "postgres" ? "the database is the search engine" : "reached through the outbox"
              ),
            vector_database: skipped("not part of this product"),
            ai_service: skipped("not part of this product"),
            oldest_transaction: database.status === "pass"
              ? yield* vacuumHeld(oldest.look, healthTimeout)
              : skipped("the database did not answer")
          }
        }),
        startup: Effect.map(checked(migrated, healthTimeout), (result) => ({ database_migration: result }))
      })
    })
  )
