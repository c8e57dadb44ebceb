/** Sessions and what was said in them, in the store: a message's number is its place in the list. */
import { Clock, DateTime, Effect, HashMap, Layer, Option, Result } from "effect"
import type { EntityId } from "../../src/domain/Entity.ts"
import { openFor } from "../../src/realtime/Presence.ts"
import { MessageIdReused, SessionUnknown } from "../../src/realtime/RealtimeErrors.ts"
import type { SessionMessage, SessionRef } from "../../src/realtime/Session.ts"
import { type NewChat, type RecordedChange, type Said, Sessions } from "../../src/realtime/Sessions.ts"
import { databaseNow, micros, Store } from "./StoreMemory.ts"

const clientIdOf = ({ entity_id, entity_type, version }: RecordedChange) => `${entity_type}/${entity_id}/${version}`

/** What a message has besides its number and its time. */
type New<Message extends SessionMessage = SessionMessage> = Message extends SessionMessage ? Omit<Message, "seq" | "at">
  : never

const isSame = (a: New) => (b: New) =>
  a.kind === b.kind && a.client_id === b.client_id && (a.kind === "change" || a.from_user === b.from_user)

export const layer = Layer.effect(
  Sessions,
  Effect.gen(function*() {
    const store = yield* Store
    const messagesOf = (session: EntityId) =>
      Effect.map(store.read, ({ sessions }) => Option.getOrUndefined(HashMap.get(sessions, session))?.messages)

    const open = Effect.fnUntraced(function*({ id, kind }: SessionRef) {
      const contents = yield* store.read
      const entity = Option.getOrUndefined(
        HashMap.get(contents.entities[kind] as HashMap.HashMap<EntityId, { version: number }>, id)
      )
      if (entity === undefined) return yield* new SessionUnknown({ session: `${kind}/${id}` })
      const messages = (yield* messagesOf(id)) ?? []
      const openUntil = (yield* databaseNow) + micros(openFor)
      yield* store.write({ ...contents, sessions: HashMap.set(contents.sessions, id, { openUntil, messages }) })
      return { last_seq: messages.length, version: entity.version }
    })

    /** As it was said first, whenever that was. */
    const say = Effect.fnUntraced(function*(said: New) {
      const contents = yield* store.read
      const session = HashMap.getUnsafe(contents.sessions, said.session_id)
      const known = session.messages.find(isSame(said))
      if (known !== undefined) return { message: known, isNew: false }
      const at = DateTime.formatIso(DateTime.makeUnsafe(yield* Clock.currentTimeMillis))
      const message = { ...said, seq: session.messages.length + 1, at } as SessionMessage
      const more = { ...session, messages: [...session.messages, message] }
      yield* store.write({ ...contents, sessions: HashMap.set(contents.sessions, said.session_id, more) })
      return { message, isNew: true }
    })

    const appendOne = Effect.fnUntraced(function*({ text, ...chat }: NewChat): Effect.fn.Return<Said> {
      if ((yield* messagesOf(chat.session_id)) === undefined) {
        return Result.fail(new SessionUnknown({ session: chat.session_id }))
      }
      const sent = yield* say({ ...chat, kind: "chat", body: { text } })
      return sent.message.kind === "chat" && sent.message.body.text === text
        ? Result.succeed(sent)
        : Result.fail(new MessageIdReused({ client_id: chat.client_id }))
    })

    const recordOne = Effect.fnUntraced(function*(change: RecordedChange) {
      const { actor: from_user, request_id, sessions, ...body } = change
      const [contents, now] = [yield* store.read, yield* databaseNow]
      const open = [...new Set(sessions)].filter((id) =>
        HashMap.get(contents.sessions, id).pipe(Option.exists(({ openUntil }) => openUntil > now))
      )
      const said = yield* Effect.forEach(
        open,
        (session_id) => say({ session_id, kind: "change", from_user, client_id: clientIdOf(change), body, request_id })
      )
      return said.map(({ message }) => message)
    })

    return Sessions.of({
      open: (ref) => store.run(open(ref)),
      append: (chats): Effect.Effect<ReadonlyArray<Said>> => Effect.forEach(chats, appendOne),
      appendFree: (chats) =>
        Effect.forEach(
          chats,
          (chat) =>
            Effect.map(appendOne(chat), (said) =>
              Result.isFailure(said) && said.failure._tag === "SessionUnknown" ? undefined : said)
        ),
      history: Effect.fnUntraced(function*(session, after, limit) {
        const messages = yield* messagesOf(session)
        if (messages === undefined) return yield* new SessionUnknown({ session })
        return { messages: messages.slice(after, after + limit), last_seq: messages.length }
      }),
      load: (keys) =>
        Effect.map(
          Effect.forEach(keys, ({ seq, session_id }) =>
            Effect.map(messagesOf(session_id), (messages) => messages?.[seq - 1])),
          (found) =>
            found.filter((message) => message !== undefined)
        ),
      record: (changes) => store.run(Effect.forEach(changes, recordOne))
    })
  })
)
