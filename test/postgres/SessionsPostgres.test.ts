/** Sessions, their messages and who is where, in a real PostgreSQL: numbers without gaps, each message once. */
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Catalog } from "../../src/catalog/Catalog.ts"
import { type EntityId } from "../../src/domain/Entity.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import * as Logic from "../../src/realtime/Logic.ts"
import { CurrentRequest } from "../../src/telemetry/CurrentRequest.ts"
import * as PresenceSuite from "../conformance/PresenceSuite.ts"
import * as SessionsSuite from "../conformance/SessionsSuite.ts"
import { newId } from "../support/Changes.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

SessionsSuite.suite({ name: "PostgreSQL", layer: PostgresStores.layer, excludeTestServices: true })
PresenceSuite.suite({ name: "PostgreSQL", layer: PostgresStores.layer, excludeTestServices: true })

const stores = Logic.layer.pipe(Layer.provideMerge(PostgresStores.layer))

const gateway = { gateway_id: "g1", address: "127.0.0.1:1" }

const opened = Effect.gen(function*() {
  const library = yield* Catalog.use((catalog) => catalog.create("library", { name: "a library" }))
  const fields = { library_id: library.id, title: "a block", body: "", tag_ids: [] }
  const block = yield* Catalog.use((catalog) => catalog.create("block", fields))
  const logic = yield* Logic.Logic
  yield* logic.join({ kind: "block", id: block.id }, gateway)
  return { library, block, logic, session: block.id }
})

const chat = (session_id: EntityId, client_id: string, text = "hello", from_user = "ann") => ({
  session_id,
  from_user,
  client_id,
  text,
  request_id: "r-1"
})

const rowsOf = (id: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`select entity_type, entity_version, op from outbox_realtime where entity_id = ${id}::uuid order by id`
  )

layer(stores, { excludeTestServices: true })("sessions", (it) => {
  it.effect("number what is said without a gap, however many say it at once, and leave a row for each", () =>
    Effect.gen(function*() {
      const { logic, session } = yield* opened
      const sent = yield* Effect.forEach(
        Array.from({ length: 40 }, (_, at) => chat(session, `c-${at % 20}`)),
        logic.sendMessage,
        { concurrency: "unbounded" }
      )
      assert.strictEqual(sent.filter(({ isNew }) => isNew).length, 20)
      const { last_seq, messages } = yield* logic.history(session, 0, 100)
      assert.strictEqual(last_seq, 20)
      assert.deepStrictEqual(messages.map(({ seq }) => seq), Array.from({ length: 20 }, (_, at) => at + 1))
      assert.strictEqual(new Set(messages.map(({ client_id }) => client_id)).size, 20)
      const rows = yield* rowsOf(session)
      assert.sameMembers(rows.map((row) => row["entity_version"] as number), messages.map(({ seq }) => seq))
      assert.isTrue(rows.every((row) => row["entity_type"] === "session"))
    }))

  it.effect("keep whose each message is, and refuse only the wrong ones, when many are committed together", () =>
    Effect.gen(function*() {
      const { logic, session } = yield* opened
      const unknown = newId()
      const wrong = (at: number) => at % 5 === 4
      const exits = yield* Effect.forEach(
        Array.from({ length: 40 }, (_, at) => ({ ...chat(session, `c-${at}`), request_id: `r-${at}` })),
        (one, at) =>
          Effect.exit(logic.sendMessage(wrong(at) ? { ...one, session_id: unknown } : one)).pipe(
            Effect.provideService(CurrentRequest, { requestId: one.request_id, actor: "ann" })
          ),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(exits.map(({ _tag }) => _tag), exits.map((_, at) => wrong(at) ? "Failure" : "Success"))
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql`select r.request_id as row, m.request_id as message from outbox_realtime r
        join realtime_messages m on m.session_id = r.entity_id and m.seq = r.entity_version
        where r.entity_id = ${session}::uuid order by r.id`
      assert.lengthOf(rows, 32)
      for (const { message, row } of rows) assert.strictEqual(row, message)
    }))

  it.effect("keep neither message nor row of a transaction that fails", () =>
    Effect.gen(function*() {
      const { logic, session } = yield* opened
      const transaction = yield* Transaction
      const broken = Effect.andThen(logic.sendMessage(chat(session, "c-1")), Effect.fail("broken"))
      yield* Effect.flip(transaction.run(broken))
      assert.deepStrictEqual(yield* logic.history(session, 0, 10), { messages: [], last_seq: 0 })
      assert.deepStrictEqual(yield* rowsOf(session), [])
    }))

  it.effect("are not held up by one whose lock somebody else holds", () =>
    Effect.gen(function*() {
      const [a, b] = [yield* opened, yield* opened]
      const sql = yield* SqlClient.SqlClient
      const [isHeld, isOver] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const holder = yield* Effect.forkChild(sql.withTransaction(Effect.gen(function*() {
        yield* sql`select 1 from realtime_sessions where id = ${a.session}::uuid for update`
        yield* Deferred.succeed(isHeld, undefined)
        yield* Deferred.await(isOver)
      })))
      yield* Deferred.await(isHeld)
      const sayAll = ({ logic, session }: typeof a) =>
        Effect.forEach(Array.from({ length: 8 }, (_, at) => chat(session, `c-${at}`)), logic.sendMessage, {
          concurrency: "unbounded"
        })
      const [waiting, others] = [yield* Effect.forkChild(sayAll(a)), yield* Effect.forkChild(sayAll(b))]
      assert.isTrue((yield* Fiber.join(others)).every(({ isNew }) => isNew))
      assert.isUndefined(waiting.pollUnsafe())
      yield* Deferred.succeed(isOver, undefined)
      yield* Fiber.join(holder)
      assert.isTrue((yield* Fiber.join(waiting)).every(({ isNew }) => isNew))
    }))

  it.effect("hear of a change of their block or library while somebody has them open, and only then", () =>
    Effect.gen(function*() {
      const { block, library } = yield* opened
      const catalog = yield* Catalog
      yield* catalog.change("block", block.id, { title: "another title" }, undefined)
      assert.deepStrictEqual(yield* rowsOf(block.id), [{ entity_type: "block", entity_version: 2, op: "upsert" }])
      yield* catalog.change("library", library.id, { name: "another name" }, undefined)
      assert.deepStrictEqual(yield* rowsOf(library.id), [])
      const sql = yield* SqlClient.SqlClient
      yield* sql`update realtime_sessions set open_until = clock_timestamp() - interval '1 second'`
      yield* catalog.change("block", block.id, { title: "nobody looks" }, undefined)
      assert.lengthOf(yield* rowsOf(block.id), 1)
    }))
})
