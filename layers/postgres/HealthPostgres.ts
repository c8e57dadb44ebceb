/** Asks the database itself: a pool that connects lazily says nothing. */
import { Clock, Duration, Effect, Layer, Option } from "effect"
import { SqlClient } from "effect/sql"
import { ClaimWatch } from "../../src/delivery/ClaimWatch.ts"
import { all, checked, FurtherChecks, latency, ofProcess, preparedNowhere, skipped } from "../../src/health/Checks.ts"
import { type CheckResult, Health } from "../../src/health/Health.ts"
import { shared } from "../../src/health/Shared.ts"
import { leaving } from "../../src/outbox/Leaving.ts"
import { heldFor, OldestTransaction, told } from "../../src/outbox/OldestTransaction.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { Settings } from "../../src/settings/Settings.ts"
import { missing } from "./Migrations.ts"
import { silent } from "./Statement.ts"

/** Seconds: autovacuum, which comes every minute, has then come ten times in vain. */
const degradedAfter = 600

/** Milliseconds. A claim waits for a connection, and for a database that is busy. */
const claimsWithin = 60_000

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

/** A worker whose loops stand still looks well from outside: the database answers, and nothing is delivered. */
const claiming = (watch: ClaimWatch, pollInterval: Duration.Duration) =>
  Effect.map(Clock.currentTimeMillis, (now): CheckResult => {
    const within = Math.max(claimsWithin, 10 * Duration.toMillis(pollInterval))
    const stalled = watch.stalled(now, within)
    return stalled.length === 0
      ? { status: "pass" }
      : { status: "fail", message: `${stalled.join(" and ")}: nothing was asked for in ${within / 1_000} s` }
  })

/** `search`: the process cannot work without its search engine. `claims`: it drains outboxes. */
export const layer = (needs: { readonly search: boolean; readonly claims?: boolean }) =>
  Layer.effect(
    Health,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const index = yield* SearchIndex
      const oldest = yield* OldestTransaction
      const watch = yield* ClaimWatch
      const { healthTimeout, pollInterval } = yield* Settings
      const further = yield* FurtherChecks
      const context = yield* Effect.context<SqlClient.SqlClient>()
      const migrated = Effect.flatMap(missing, (steps) => steps === 0 ? Effect.void : Effect.fail("steps are missing"))
        .pipe(
          Effect.provideContext(context)
        )
      const notAsked = index.engine === "postgres" ? "the database is the search engine" : "reached through the outbox"
      const asked = all({
        database: checked(sql`select 1`, healthTimeout),
        ...(needs.claims === true ? { outbox: claiming(watch, pollInterval) } : {}),
        search: needs.search && index.engine !== "postgres"
          ? checked(index.refresh, healthTimeout)
          : Effect.succeed(skipped(notAsked)),
        vector_database: Effect.succeed(skipped("not part of this product")),
        ai_service: Effect.succeed(skipped("not part of this product")),
        oldest_transaction: vacuumHeld(oldest.look, healthTimeout),
        ...further.ready
      })
      const ready = Effect.gen(function*() {
        return { ...(yield* asked), ...(yield* Effect.provideContext(ofProcess, context)) }
      })
      const startup = Effect.gen(function*() {
        return {
          database_migration: yield* checked(migrated, healthTimeout),
          ...preparedNowhere,
          ...(yield* all(further.startup))
        }
      })
      return Health.of({ ready: yield* shared(ready), startup: yield* shared(startup) })
    })
  )
