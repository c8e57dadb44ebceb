/** A fresh database for programs that are started with `DATABASE_URL`, and a way to look into it. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Context, Effect, Layer, ManagedRuntime } from "effect"
import * as PostgresClient from "../../layers/postgres/PostgresClient.ts"
import { freshDatabase, urlOf } from "./PostgresForTests.ts"

class Where extends Context.Service<Where, PostgresClient.Address>()("wordloom/test/Where") {}

const layer = Layer.unwrap(
  Effect.map(
    freshDatabase,
    (address) => Layer.merge(Layer.succeed(Where, address), PostgresClient.layer(address, { name: "test", pool: 4 }))
  )
)

export interface OwnDatabase {
  readonly url: string
  readonly query: (
    statement: string,
    ...parameters: ReadonlyArray<unknown>
  ) => Promise<ReadonlyArray<Record<string, any>>>
  /** Holds what `statement` locks until `release` is called. */
  readonly hold: (statement: string) => Promise<{ readonly release: () => Promise<void> }>
  readonly drop: () => Promise<void>
}

export const ownDatabase = async (): Promise<OwnDatabase> => {
  const runtime = ManagedRuntime.make(layer)
  const address = await runtime.runPromise(Where)

  const hold = async (statement: string) => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    const { promise: held, reject: failed, resolve: holds } = Promise.withResolvers<void>()
    const over = runtime.runPromise(PgClient.PgClient.use((sql) =>
      sql.withTransaction(Effect.gen(function*() {
        yield* sql.unsafe(statement)
        holds()
        yield* Effect.promise(() => released)
      }))
    ))
    over.catch(failed)
    await held
    return {
      release: async () => {
        release()
        await over
      }
    }
  }

  return {
    url: urlOf(address),
    query: (statement, ...parameters) =>
      runtime.runPromise(PgClient.PgClient.use((sql) => sql.unsafe<Record<string, any>>(statement, parameters))),
    hold,
    drop: () => runtime.dispose()
  }
}
