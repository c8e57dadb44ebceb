/** PostgreSQL, wherever the settings say it is: its pool, with the schema brought up. */
import { Context, Effect, Layer } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { causeInBrief } from "../../layers/embedded/EmbeddedPostgresUnavailable.ts"
import { all, migrate, missing } from "../../layers/postgres/Migrations.ts"
import * as PostgresClient from "../../layers/postgres/PostgresClient.ts"
import { sqlState } from "../../layers/postgres/PostgresErrors.ts"
import { onOneLine, Settings, SettingsInvalid } from "../../src/settings/Settings.ts"
import { CannotStart } from "./Main.ts"

/** Where no folder can be is seen when it is made, and is a wrong setting all the same. */
const homeInvalid = (home: string, cause: unknown) =>
  new SettingsInvalid({
    mistakes: [{
      name: "WORDLOOM_HOME",
      value: onOneLine(home),
      allowed: `a folder that this user may write (${causeInBrief(cause)}); or set DATABASE_URL`
    }]
  })

/** Without DATABASE_URL: the embedded server of this home. It is only loaded when it is needed. */
const embedded = Effect.fnUntraced(function*(home: string) {
  const EmbeddedPostgres = yield* Effect.promise(() => import("../../layers/embedded/EmbeddedPostgres.ts"))
  const server = yield* EmbeddedPostgres.acquire(home).pipe(
    Effect.catchTag(
      "EmbeddedPostgresUnavailable",
      (error) => Effect.fail(error.reason === "HomeUnusable" ? homeInvalid(home, error.cause) : error)
    )
  )
  return { ...server, ssl: false } satisfies PostgresClient.Address
})

const refused = (address: PostgresClient.Address) => (error: SqlError.SqlError) => {
  const { cause } = error.reason
  const state = sqlState(error)
  const why = cause instanceof Error && cause.message !== "" ? cause.message : error.reason.message
  const where = `PostgreSQL at ${address.host}:${address.port}, database ${address.database}, user ${address.username}`
  return new CannotStart({ reason: `${where}: ${why}${state === undefined ? "" : ` (${state})`}` })
}

/** Where it is is said by the settings; that it answers is not. */
const addressed = Effect.gen(function*() {
  const { databaseUrl, home } = yield* Settings
  return databaseUrl === undefined ? yield* embedded(home) : PostgresClient.addressOf(databaseUrl)
})

/** For whoever needs a connection of its own besides the pool. */
export class DatabaseAddress extends Context.Service<DatabaseAddress, PostgresClient.Address>()(
  "wordloom/compose/DatabaseAddress"
) {}

const reached = (address: PostgresClient.Address, name: string) =>
  Layer.unwrap(
    Effect.map(Settings, ({ databasePool }) =>
      Layer.effectDiscard(Effect.flatMap(SqlClient.SqlClient, (sql) =>
        sql`select 1`.pipe(Effect.withTracerEnabled(false), Effect.mapError(refused(address))))).pipe(
          Layer.provideMerge(PostgresClient.layer(address, { name, pool: databasePool }))
        ))
  ).pipe(Layer.merge(Layer.succeed(DatabaseAddress, address)))

const migrated = (address: PostgresClient.Address) =>
  Layer.effectDiscard(
    Effect.gen(function*() {
      const steps = yield* migrate.pipe(
        Effect.catchTag("SqlError", (error) => Effect.fail(refused(address)(error))),
        Effect.catchTag("MigrationError", (error) => {
          const cause = error.cause
          return Effect.fail(
            SqlError.isSqlError(cause) ? refused(address)(cause) : new CannotStart({ reason: error.message })
          )
        })
      )
      if (steps.length > 0) yield* Effect.logInfo("the database was migrated", { steps })
    })
  )

/** Whoever only looks may be newer than the programs that run; a database that nobody has begun with has none. */
const keptOrBegun = (address: PostgresClient.Address) =>
  Layer.unwrap(
    missing.pipe(
      Effect.withTracerEnabled(false),
      Effect.mapError(refused(address)),
      Effect.flatMap((steps) =>
        steps === 0 ? Effect.succeed(Layer.empty) : steps === all ? Effect.succeed(migrated(address)) : Effect.fail(
          new CannotStart({
            reason: `database ${address.database} lacks ${steps} of ${all} steps of this version's schema; ` +
              "node programs/wordloom.js migrate takes them"
          })
        )
      )
    )
  )

/** Reached, and then its schema. `name` is what `pg_stat_activity` shows. */
const layerOf =
  <E>(schemaOf: (address: PostgresClient.Address) => Layer.Layer<never, E, SqlClient.SqlClient>) => (name: string) =>
    Layer.unwrap(
      Effect.map(addressed, (address) => schemaOf(address).pipe(Layer.provideMerge(reached(address, name))))
    )

export const layer = layerOf(migrated)

/** As `layer`, but a database of an earlier version is left as it is, and refused. */
export const layerKept = layerOf(keptOrBegun)

/** As `layer`, with the schema as it is. */
export const layerAsIs = layerOf(() => Layer.empty)
