/** Sessions, their messages and who is where, in a real PostgreSQL: numbers without gaps, each message once. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as PresencePostgres from "../../layers/postgres/PresencePostgres.ts"
import * as SessionsPostgres from "../../layers/postgres/SessionsPostgres.ts"
import { Catalog } from "../../src/catalog/Catalog.ts"
import { type EntityId } from "../../src/domain/Entity.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import * as Logic from "../../src/realtime/Logic.ts"
import { Presence } from "../../src/realtime/Presence.ts"
import { Sessions } from "../../src/realtime/Sessions.ts"
import { CurrentRequest } from "../../src/telemetry/CurrentRequest.ts"
import { newId } from "../support/Changes.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

const stores = Logic.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(SessionsPostgres.layer, PresencePostgres.layer)),
  Layer.provideMerge(PostgresStores.layer)
)

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

  it.effect("answer what was said twice with its first number, and refuse another text under its id", () =>
    Effect.gen(function*() {
      const { logic, session } = yield* opened
      const first = yield* logic.sendMessage(chat(session, "c-1"))
      const again = yield* logic.sendMessage(chat(session, "c-1"))
      assert.deepStrictEqual(again, { isNew: false, message: first.message })
      const error = yield* Effect.flip(logic.sendMessage(chat(session, "c-1", "another")))
      assert.strictEqual(error._tag, "MessageIdReused")
      // Another user's ids are another's.
      assert.isTrue((yield* logic.sendMessage(chat(session, "c-1", "another", "bob"))).isNew)
      assert.strictEqual((yield* logic.history(session, 0, 100)).last_seq, 2)
    }))

  it.effect("know only what was opened, and open only what is there", () =>
    Effect.gen(function*() {
      const { logic } = yield* opened
      const id = newId()
      assert.strictEqual((yield* Effect.flip(logic.sendMessage(chat(id, "c-1"))))._tag, "SessionUnknown")
      assert.strictEqual((yield* Effect.flip(logic.history(id, 0, 10)))._tag, "SessionUnknown")
      assert.strictEqual((yield* Effect.flip(logic.join({ kind: "tag", id }, gateway)))._tag, "SessionUnknown")
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

  it.effect("say a change once in each session that is open, however often it is recorded", () =>
    Effect.gen(function*() {
      const { block, library, logic } = yield* opened
      yield* logic.join({ kind: "library", id: library.id }, gateway)
      const sessions = yield* Sessions
      const change = {
        entity_type: "block",
        entity_id: block.id,
        version: 2,
        op: "upsert",
        changes: [{ field: "title", from: "a", to: "b" }],
        actor: "ann",
        request_id: "r-1",
        sessions: [block.id, library.id, newId()]
      } as const
      const [both] = yield* sessions.record([change])
      assert.sameMembers(both!.map(({ session_id }) => session_id), [block.id, library.id])
      const again = yield* Effect.all([sessions.record([change]), sessions.record([change, change])], {
        concurrency: 2
      })
      for (const [told] of again) assert.sameDeepMembers([...told!], [...both!])
      const { last_seq, messages } = yield* logic.history(library.id, 0, 10)
      assert.deepStrictEqual([last_seq, messages.map(({ kind }) => kind)], [1, ["change"]])
    }))

  it.effect("are found at the gateways that hold members, until those leave or fall silent", () =>
    Effect.gen(function*() {
      const { session } = yield* opened
      const presence = yield* Presence
      const second = { gateway_id: "g2", address: "127.0.0.1:2" }
      yield* presence.enter(second, session)
      const other = newId()
      assert.deepStrictEqual(yield* presence.whereAre([other, session]), [[], [gateway, second]])
      yield* presence.leave("g2", session)
      assert.deepStrictEqual(yield* presence.whereAre([session]), [[gateway]])
      assert.deepStrictEqual(yield* presence.attend(second, [session]), [{ session_id: session, last_seq: 0 }])
      assert.deepStrictEqual(yield* presence.whereAre([session]), [[gateway, second]])
      const sql = yield* SqlClient.SqlClient
      yield* sql`update realtime_gateways set seen_at = clock_timestamp() - interval '31 seconds' where id = 'g1'`
      assert.deepStrictEqual(yield* presence.whereAre([session]), [[second]])
      yield* presence.attend(second, [])
      assert.deepStrictEqual(yield* sql`select id from realtime_gateways`, [{ id: "g2" }])
      yield* presence.retire("g2")
      assert.deepStrictEqual(yield* presence.whereAre([session]), [[]])
    }))
})
