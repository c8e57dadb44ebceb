/** The connection pool, and the `Transaction` that everything on the same fiber joins. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Context, Effect, Layer, Redacted, References } from "effect"
import { SqlClient } from "effect/sql"
import { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import { Around } from "../../src/telemetry/EnqueueSpan.ts"
import { withoutStack } from "../../src/telemetry/Spans.ts"
import { StoreAttributes } from "../../src/telemetry/StoreAttributes.ts"
import * as PoolFigures from "./PoolFigures.ts"
import { orUnavailable } from "./PostgresErrors.ts"

/** Where the database is; what the settings or the embedded server say. */
export interface Address {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly username: string
  readonly password: Redacted.Redacted
  readonly ssl: boolean
}

/** The parts of `postgresql://user:password@host:port/database?sslmode=require`. */
export const addressOf = (url: Redacted.Redacted): Address => {
  const parsed = new URL(Redacted.value(url))
  return {
    host: parsed.hostname.replace(/^\[|\]$/g, ""),
    port: Number(parsed.port || 5432),
    database: decodeURIComponent(parsed.pathname.slice(1)),
    username: decodeURIComponent(parsed.username),
    password: Redacted.make(decodeURIComponent(parsed.password)),
    ssl: ["require", "verify-ca", "verify-full"].includes(parsed.searchParams.get("sslmode") ?? "")
  }
}

/** A statement that runs this long has gone wrong; the longest legitimate one settles a full batch. */
const statementTimeout = "30s"
/**
 * PostgreSQL's own 4 is of disks that turn. With it a claim of a table that was counted while a burst was still being
 * written reads all of a lane and sorts it, instead of the first rows of its index.
 */
const randomPageCost = "1.1"
/** Waiting longer for a row than this, a request is better told to come back. */
const lockTimeout = "5s"

export const layer = (address: Address, options: { readonly name: string; readonly pool: number }) =>
  PoolFigures.layer(
    PgClient.layer({
      ...address,
      applicationName: options.name,
      maxConnections: options.pool,
      idleTimeout: "60 seconds",
      connectTimeout: "5 seconds",
      startupParameters: {
        statement_timeout: statementTimeout,
        lock_timeout: lockTimeout,
        idle_in_transaction_session_timeout: "60s",
        timezone: "UTC",
        random_page_cost: randomPageCost
      }
    }),
    { max: options.pool, port: address.port }
  ).pipe(Layer.merge(Layer.succeed(StoreAttributes, {
    "db.system.name": "postgresql",
    "db.namespace": address.database,
    "server.address": address.host,
    "server.port": address.port
  })))

/** A request that gets no connection for this long is told so, rather than queueing without end. */
const transactionTimeout = "20 seconds"

const Inside = Context.Reference<boolean>("wordloom/postgres/InsideTransaction", { defaultValue: () => false })

/** Every statement on the same fiber joins the open transaction, so no store needs to know of it. */
export const layerTransaction = Layer.effect(
  Transaction,
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    const commit = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.gen(function*() {
        const around = yield* Effect.option(Effect.currentParentSpan)
        // The library's own span per statement is silenced; `db.tx` and `db.*` tell the story in the contract's names.
        const enabled = yield* References.TracerEnabled
        const body = Effect.withTracerEnabled(effect, enabled).pipe(
          Effect.provideService(Around, around),
          Effect.provideService(Inside, true)
        )
        return yield* Effect.withTracerEnabled(sql.withTransaction(body), false).pipe(
          Effect.withSpan("db.tx", { attributes: { step: "db_tx" } }, withoutStack)
        )
      }).pipe(
        Effect.timeoutOrElse({
          duration: transactionTimeout,
          orElse: () => Effect.fail(new StoreUnavailable({ cause: new Error(`no answer in ${transactionTimeout}`) }))
        })
      )

    const run = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.flatMap(
        Inside,
        (inside) => (inside ? effect : orUnavailable(commit(effect))) as Effect.Effect<A, E | StoreUnavailable, R>
      )

    return Transaction.of({ run })
  })
)
