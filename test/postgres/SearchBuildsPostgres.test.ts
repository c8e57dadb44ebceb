/** Builds and generations in PostgreSQL keep their promises; and what only many sessions can show. */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Latch, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as SearchIndexPostgres from "../../layers/postgres/SearchIndexPostgres.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import * as GenerationsSuite from "../conformance/GenerationsSuite.ts"
import * as InFlightSuite from "../conformance/InFlightSuite.ts"
import * as SearchBuildsSuite from "../conformance/SearchBuildsSuite.ts"
import { assertFound, newWord, put, write } from "../search/SearchFixtures.ts"
import * as PostgresForTests from "../support/PostgresForTests.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

const store = { name: "PostgreSQL", layer: PostgresStores.layer, excludeTestServices: true }
const index = SearchIndexPostgres.layer.pipe(Layer.provideMerge(PostgresForTests.layer))

/** Work of the database's for longer than a look and the wait before it take. */
const looks = SqlClient.SqlClient.use((sql) => sql`select pg_sleep(0.15)`).pipe(Effect.orDie, Effect.asVoid)

SearchBuildsSuite.suite(store)
InFlightSuite.suite(looks)(store)
GenerationsSuite.suite({ name: "PostgreSQL", layer: index })

/** A transaction of another session that has searched, until the scope closes or it is told to end. */
const searching = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [holds, over] = [yield* Latch.make(), yield* Latch.make()]
  const fiber = yield* Effect.forkScoped(sql.withTransaction(
    Effect.andThen(sql`select count(*) from search_documents`, Effect.andThen(holds.open, over.await))
  ))
  yield* holds.await
  return { end: Effect.andThen(over.open, Fiber.join(fiber)) }
})

layer(index, { excludeTestServices: true })("a generation in PostgreSQL", (it) => {
  it.effect("is made while others search, and is dropped once they have: nobody else waits for that", () =>
    Effect.gen(function*() {
      const [sql, { generations }] = [yield* SqlClient.SqlClient, yield* SearchIndex]
      const title = newWord()
      const one = write({ title })
      yield* put(one)
      const name = yield* generations.next
      const others = yield* searching
      yield* generations.create(name)
      yield* (yield* SearchIndex).write([one], { generation: name })
      const dropping = yield* Effect.forkChild(generations.drop(name))
      yield* Effect.repeat(
        sql`select from pg_stat_activity where wait_event_type = 'Lock' and query like 'alter table search_documents%'`,
        { until: (rows) => rows.length > 0 }
      )
      yield* assertFound(title, [one])
      assert.deepStrictEqual(yield* put(write()), ["Written"])
      yield* others.end
      yield* Fiber.join(dropping)
      assert.lengthOf((yield* generations.list).filter((each) => each.name === name), 0)
    }).pipe(Effect.scoped))

  it.effect("that a killed drop left half-way goes with the next one", () =>
    Effect.gen(function*() {
      const [sql, { generations }] = [yield* SqlClient.SqlClient, yield* SearchIndex]
      const name = yield* generations.next
      yield* generations.create(name)
      const others = yield* searching
      const dropping = yield* Effect.forkChild(Effect.exit(generations.drop(name)))
      const [backend] = yield* Effect.repeat(
        sql<{ readonly pid: number }>`select pid from pg_stat_activity
          where wait_event_type = 'Lock' and query like 'alter table search_documents%'`,
        { until: (rows) => rows.length > 0 }
      )
      yield* sql`select pg_terminate_backend(${backend!.pid})`
      yield* Fiber.join(dropping)
      assert.lengthOf((yield* generations.list).filter((each) => each.name === name), 0)
      yield* others.end
      yield* generations.drop(name)
      const [table] = yield* sql`select to_regclass(${`search_documents_${name}`})::text as left`
      assert.deepStrictEqual(table, { left: null })
    }).pipe(Effect.scoped))
})
