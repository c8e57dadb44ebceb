/** Sessions and what was said in them, in PostgreSQL: numbers are given under the session's row lock. */
import { DateTime, Duration, Effect, Layer, Result, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { EntityId } from "../../src/domain/Entity.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import { openFor } from "../../src/realtime/Presence.ts"
import { MessageIdReused, SessionUnknown } from "../../src/realtime/RealtimeErrors.ts"
import type { ChangeBody, SessionMessage, SessionRef } from "../../src/realtime/Session.ts"
import { type NewChat, type RecordedChange, type Said, Sessions } from "../../src/realtime/Sessions.ts"
import { integers, jsons, texts, uuids } from "./Parameters.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { provenByFirst } from "./Rows.ts"
import { measured, silent } from "./Statement.ts"

const tables = { tag: "tags", library: "libraries", block: "blocks" } as const

const Row = Schema.Struct({
  session_id: Schema.String,
  seq: Schema.Int,
  kind: Schema.Literals(["chat", "change"]),
  from_user: Schema.String,
  client_id: Schema.String,
  body: Schema.Unknown,
  request_id: Schema.NullOr(Schema.String),
  at: Schema.Date
})
const asRows = provenByFirst(Row)

const toMessage = (row: typeof Row.Encoded): SessionMessage => ({
  ...row as unknown as SessionMessage,
  at: DateTime.formatIso(DateTime.makeUnsafe(row.at))
})
const toMessages = (rows: ReadonlyArray<unknown>) => asRows(rows).map(toMessage)

const columns = "session_id, seq, kind, from_user, client_id, body, request_id, created_at as at"

/** A change is one message of a session, however often its row is delivered. */
const clientIdOf = ({ entity_id, entity_type, version }: RecordedChange) => `${entity_type}/${entity_id}/${version}`

const keyOf = ({ client_id, session_id }: { readonly session_id: string; readonly client_id: string }) =>
  `${session_id} ${client_id}`

const bodyOf = ({ changes, entity_id, entity_type, op, version }: RecordedChange): ChangeBody => ({
  entity_type,
  entity_id,
  version,
  op,
  changes
})

const nameOf = ({ client_id, from_user, session_id }: NewChat | SessionMessage) =>
  `${session_id} ${from_user} ${client_id}`

const isIn = (open: ReadonlySet<string>) => ({ session_id }: NewChat) => open.has(session_id)

/** Of several in one transaction that say the same, the first is new. */
const answersTo = (
  chats: ReadonlyArray<NewChat>,
  open: ReadonlySet<string>,
  rows: ReadonlyArray<typeof Row.Encoded & { readonly is_new: boolean }>
): ReadonlyArray<Said> => {
  const split = rows.map(({ is_new: isNew, ...row }) => ({ isNew, row }))
  const messages = toMessages(split.map(({ row }) => row))
  const byName = new Map(messages.map((message, at) => [nameOf(message), { message, isNew: split[at]!.isNew }]))
  const told = new Set<string>()
  return chats.map((chat) => {
    const name = nameOf(chat)
    const said = byName.get(name)
    if (!open.has(chat.session_id) || said === undefined) {
      return Result.fail(new SessionUnknown({ session: chat.session_id }))
    }
    const { message } = said
    if (message.kind !== "chat" || message.body.text !== chat.text) {
      return Result.fail(new MessageIdReused({ client_id: chat.client_id }))
    }
    const isNew = said.isNew && !told.has(name)
    told.add(name)
    return Result.succeed({ message, isNew })
  })
}

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const transaction = yield* Transaction
  const until = sql`clock_timestamp() + ${Duration.toMillis(openFor)} * interval '1 millisecond'`

  const open = Effect.fnUntraced(function*(ref: SessionRef) {
    const found = yield* silent(sql<{ readonly last_seq: number; readonly version: number }>`
      with entity as (select id, version from ${sql(tables[ref.kind])} where id = ${ref.id}::uuid)
      insert into realtime_sessions as known (id, kind, open_until)
      select id, ${ref.kind}, ${until} from entity
      on conflict (id) do update set open_until = excluded.open_until
      returning last_seq, (select version from entity) as version`)
    return found[0] ?? (yield* new SessionUnknown({ session: `${ref.kind}/${ref.id}` }))
  })

  /**
   * The second of two that say the same at once waits at the lock, and then sees what the first has said. Locks are
   * taken in the order of their ids, so that no two wait for each other.
   */
  const append = Effect.fnUntraced(function*(chats: ReadonlyArray<NewChat>, waits: boolean) {
    const ids = uuids([...new Set(chats.map(({ session_id }) => session_id))])
    const held = yield* silent(sql<{ readonly id: string }>`
      select id from realtime_sessions where id = any(${ids}) order by id
      for update ${sql.literal(waits ? "" : "skip locked")}`)
    const open = new Set(held.map(({ id }) => id))
    const wanted = [...Map.groupBy(chats.filter(isIn(open)), nameOf).values()].map(([first]) => first!)
    const rows = wanted.length === 0 ? [] : yield* silent(sql`
      with wanted as (
        select * from unnest(${uuids(wanted.map(({ session_id }) => session_id))},
          ${texts(wanted.map(({ from_user }) => from_user))}, ${texts(wanted.map(({ client_id }) => client_id))},
          ${jsons(wanted.map(({ text }) => ({ text })))}::jsonb[], ${texts(wanted.map(({ request_id }) => request_id))})
          with ordinality as chat (session_id, from_user, client_id, body, request_id, place)
      ), known as (
        select message.* from wanted join realtime_messages as message using (session_id, from_user, client_id)
        where kind = 'chat'
      ), fresh as (
        select *, row_number() over (partition by session_id order by place) as nth from wanted
        where (session_id, from_user, client_id) not in (select session_id, from_user, client_id from known)
      ), next as (
        update realtime_sessions set last_seq = last_seq + many
        from (select session_id, count(*)::int as many from fresh group by session_id) as more
        where id = session_id returning id, last_seq - many as before
      ), added as (
        insert into realtime_messages (session_id, seq, kind, from_user, client_id, body, request_id)
        select session_id, before + nth, 'chat', from_user, client_id, body, request_id
        from fresh join next on next.id = session_id order by place
        returning ${sql.literal(columns)}
      )
      select ${sql.literal(columns)}, false as is_new from known
      union all select ${sql.literal(columns.replace("created_at as at", "at"))}, true from added`)
    const said = answersTo(chats, open, rows as ReadonlyArray<typeof Row.Encoded & { readonly is_new: boolean }>)
    return { open, said }
  })

  const history = Effect.fnUntraced(function*(session: EntityId, after: number, limit: number) {
    // First the number, so that it is never behind what is answered with it.
    const [head] = yield* silent(sql<{ readonly last_seq: number }>`
      select last_seq from realtime_sessions where id = ${session}::uuid`)
    if (head === undefined) return yield* new SessionUnknown({ session })
    const rows = yield* silent(sql`
      select ${sql.literal(columns)} from realtime_messages
      where session_id = ${session}::uuid and seq > ${after} and seq <= ${head.last_seq} order by seq limit ${limit}`)
    return { messages: toMessages(rows), last_seq: head.last_seq }
  })

  const load = (keys: ReadonlyArray<{ readonly session_id: EntityId; readonly seq: number }>) =>
    Effect.map(
      silent(sql`
        select ${sql.literal(columns)} from realtime_messages
        join unnest(${uuids(keys.map(({ session_id }) => session_id))}, ${integers(keys.map(({ seq }) => seq))})
          as wanted (session_id, seq) using (session_id, seq)`),
      toMessages
    )

  /** Under the locks of its sessions, taken in the order of their ids, so that no two wait for each other. */
  const record = Effect.fnUntraced(function*(changes: ReadonlyArray<RecordedChange>) {
    const ids = [...new Set(changes.flatMap(({ sessions }) => sessions))]
    const open = yield* silent(sql<{ readonly id: EntityId; readonly last_seq: number }>`
      select id, last_seq from realtime_sessions where id = any(${uuids(ids)}) and open_until > clock_timestamp()
      order by id for update`)
    if (open.length === 0) return changes.map(() => [])
    const known = toMessages(
      yield* silent(sql`
      select ${sql.literal(columns)} from realtime_messages where session_id = any(${uuids(open.map(({ id }) => id))})
        and kind = 'change' and client_id = any(${texts(changes.map(clientIdOf))})`)
    )
    const told = new Set(known.map(keyOf))
    const fresh = open.flatMap(({ id, last_seq }) => {
      const mine = changes.filter((change) =>
        change.sessions.includes(id) && !told.has(keyOf({ session_id: id, client_id: clientIdOf(change) }))
      )
      const byId = new Map(mine.map((change) => [clientIdOf(change), change]))
      return [...byId.values()].map((change, at) => ({ id, seq: last_seq + at + 1, change }))
    })
    const added = fresh.length === 0 ? [] : yield* silent(sql`
      with added as (
        insert into realtime_messages (session_id, seq, kind, from_user, client_id, body, request_id)
        select session_id, seq, 'change', from_user, client_id, body, request_id
        from unnest(${uuids(fresh.map(({ id }) => id))}, ${integers(fresh.map(({ seq }) => seq))},
          ${texts(fresh.map(({ change }) => change.actor))}, ${texts(fresh.map(({ change }) => clientIdOf(change)))},
          ${jsons(fresh.map(({ change }) => bodyOf(change)))}::jsonb[],
          ${texts(fresh.map(({ change }) => change.request_id))})
          as new (session_id, seq, from_user, client_id, body, request_id)
        returning *
      ), moved as (
        update realtime_sessions set last_seq = last.seq
        from (select session_id, max(seq) as seq from added group by session_id) as last where id = last.session_id
      )
      select ${sql.literal(columns)} from added`)
    const messages = [...known, ...toMessages(added)]
    return changes.map((change) => messages.filter(({ client_id }) => client_id === clientIdOf(change)))
  })

  return Sessions.of({
    open: (ref) => open(ref).pipe(measured("create", "realtime_sessions"), orUnavailable),
    append: (chats) =>
      Effect.map(append(chats, true), ({ said }) => said).pipe(
        measured("create", "realtime_messages"),
        orUnavailable
      ),
    appendFree: (chats) =>
      Effect.map(
        append(chats, false),
        ({ open, said }) => said.map((one, at) => open.has(chats[at]!.session_id) ? one : undefined)
      ).pipe(
        measured("create", "realtime_messages"),
        orUnavailable
      ),
    history: (session, after, limit) =>
      history(session, after, limit).pipe(measured("query", "realtime_messages"), orUnavailable),
    load: (keys) => keys.length === 0 ? Effect.succeed([]) : orUnavailable(load(keys)),
    record: (changes) =>
      changes.length === 0 ? Effect.succeed([]) : orUnavailable(transaction.run(orUnavailable(record(changes))))
  })
})

export const layer = Layer.effect(Sessions, make)
