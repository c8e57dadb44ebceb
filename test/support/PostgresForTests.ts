/** A migrated database of its own for each test file, on the run's real PostgreSQL. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Layer, Redacted } from "effect"
import { randomBytes } from "node:crypto"
import { inject } from "vitest"
import { migrate } from "../../layers/postgres/Migrations.ts"
import * as PostgresClient from "../../layers/postgres/PostgresClient.ts"

const admin = () => PostgresClient.addressOf(Redacted.make(inject("postgresUrl")))

const inAdmin = (statement: string) =>
  Effect.scoped(
    Effect.flatMap(PgClient.PgClient, (sql) => sql.unsafe(statement)).pipe(
      Effect.provide(PostgresClient.layer(admin(), { name: "test-admin", pool: 1 }))
    )
  )

/** The address of a fresh, empty database; it is dropped when the scope closes. */
export const freshDatabase = Effect.acquireRelease(
  Effect.gen(function*() {
    const database = `test_${randomBytes(6).toString("hex")}`
    yield* inAdmin(`create database ${database}`)
    return { ...admin(), database }
  }),
  ({ database }) => Effect.orDie(inAdmin(`drop database ${database} with (force)`))
)

export const urlOf = ({ database, host, password, port, username }: PostgresClient.Address) =>
  `postgresql://${username}:${Redacted.value(password)}@${host}:${port}/${database}`

/** A pool to a fresh, migrated database. Needs the real clock: `layer(..., { excludeTestServices: true })`. */
export const layer = Layer.unwrap(
  Effect.map(
    freshDatabase,
    (address) =>
      Layer.effectDiscard(migrate).pipe(Layer.provideMerge(PostgresClient.layer(address, { name: "test", pool: 10 })))
  )
)
