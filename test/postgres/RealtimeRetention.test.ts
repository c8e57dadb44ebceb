/** What was said longer ago than it is kept goes, in batches; numbers go on, and a page says what is gone before it. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Housekeeping from "../../layers/postgres/Housekeeping.ts"
import * as PresencePostgres from "../../layers/postgres/PresencePostgres.ts"
import * as SessionsPostgres from "../../layers/postgres/SessionsPostgres.ts"
import * as Logic from "../../src/realtime/Logic.ts"
import { expiredOf } from "../../src/realtime/Sessions.ts"
import { Settings } from "../../src/settings/Settings.ts"
import { newId } from "../support/Changes.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

const stores = Logic.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(SessionsPostgres.layer, PresencePostgres.layer)),
  Layer.provideMerge(PostgresStores.layer)
)

const settings = Settings.layer({ REALTIME_RETENTION: "48h", OUTBOX_RETENTION: "24h" })
/** Its first turn is over when it is built. */
const housekeeping = Effect.scoped(Layer.build(Housekeeping.layer.pipe(Layer.provide(settings))))

const said = Effect.fnUntraced(function*(count: number, hoursAgo: number) {
  const sql = yield* SqlClient.SqlClient
  const session = newId()
  yield* sql`insert into tags (id, name, color) values (${session}::uuid, ${session}, '#000000')`
  yield* sql`insert into realtime_sessions (id, kind, last_seq) values (${session}::uuid, 'tag', ${count})`
  yield* sql`
    insert into realtime_messages (session_id, seq, kind, from_user, client_id, body, created_at)
    select ${session}::uuid, n, 'chat', 'ann', 'c-' || n, '{"text": "hello"}',
      clock_timestamp() - ${hoursAgo} * interval '1 hour'
    from generate_series(1, ${count}::int) as n`
  return session
})

layer(stores)("messages of sessions", (it) => {
  it.effect("go when they have been kept for long enough, however many there are", () =>
    Effect.gen(function*() {
      const { history, sendMessage } = yield* Logic.Logic
      const [old, young] = [yield* said(25_000, 49), yield* said(10, 47)]
      yield* Effect.all([housekeeping, housekeeping], { concurrency: 2 })
      yield* housekeeping
      assert.lengthOf((yield* history(young, 0, 100)).messages, 10)
      const gone = yield* history(old, 17, 100)
      assert.deepStrictEqual(gone, { messages: [], last_seq: 25_000 })
      assert.deepStrictEqual(expiredOf(17, gone), { from_seq: 18, to_seq: 25_000 })
      const chat = { session_id: old, from_user: "ann", client_id: "c-1", text: "again", request_id: null }
      assert.strictEqual((yield* sendMessage(chat)).message.seq, 25_001)
      const page = yield* history(old, 17, 100)
      assert.deepStrictEqual(page.messages.map(({ seq }) => seq), [25_001])
      assert.deepStrictEqual(expiredOf(17, page), { from_seq: 18, to_seq: 25_000 })
      assert.isUndefined(expiredOf(25_000, page))
    }))
})
