/** What every store of sessions promises: numbers without gaps, each message once, changes while somebody listens. */
import { assert, type Vitest } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Catalog } from "../../src/catalog/Catalog.ts"
import type { EntityId } from "../../src/domain/Entity.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import { type NewChat, Sessions } from "../../src/realtime/Sessions.ts"
import { type Backstage, fresh, passTime } from "../support/Backstage.ts"
import { newId } from "../support/Changes.ts"
import { suiteOf } from "./Suite.ts"

type It = Vitest.MethodsNonLive<Backstage | Catalog | Sessions | Transaction>

const chat = (session_id: EntityId, client_id: string, text = "hello", from_user = "ann"): NewChat => ({
  session_id,
  from_user,
  client_id,
  text,
  request_id: `r-${client_id}`
})

const opened = Effect.gen(function*() {
  const { id } = yield* Catalog.use((catalog) => catalog.create("library", { name: "a library" }))
  yield* Sessions.use((sessions) => sessions.open({ kind: "library", id }))
  return id
})

const append = (...chats: ReadonlyArray<NewChat>) =>
  Effect.gen(function*() {
    const [sessions, transaction] = [yield* Sessions, yield* Transaction]
    return yield* transaction.run(sessions.append(chats))
  })

const history = (id: EntityId, after = 0, limit = 100) => Sessions.use((sessions) => sessions.history(id, after, limit))

/** Of each answer: its number and whether it is new, or what is wrong with it. */
const told = (all: Effect.Success<ReturnType<typeof append>>) =>
  all.map((said) => Result.isSuccess(said) ? [said.success.message.seq, said.success.isNew] : said.failure._tag)

const numbering = (it: It) => {
  it.effect("numbers what is said in its order, each session for itself", () =>
    Effect.gen(function*() {
      const [a, b] = [yield* opened, yield* opened]
      assert.deepStrictEqual(told(yield* append(chat(a, "1"), chat(b, "1"), chat(a, "2"))), [[1, true], [1, true], [
        2,
        true
      ]])
      assert.deepStrictEqual(told(yield* append(chat(a, "3"))), [[3, true]])
      const { last_seq, messages } = yield* history(a)
      assert.strictEqual(last_seq, 3)
      assert.deepStrictEqual(messages.map(({ client_id, seq }) => [seq, client_id]), [[1, "1"], [2, "2"], [3, "3"]])
      assert.deepInclude(messages[0]!, { kind: "chat", from_user: "ann", body: { text: "hello" }, request_id: "r-1" })
      assert.deepStrictEqual((yield* history(a, 1, 1)).messages, [messages[1]!])
      assert.deepStrictEqual(yield* history(a, 3), { messages: [], last_seq: 3 })
    }).pipe(fresh))

  it.effect("answers what was said twice with its first number, in one transaction or another", () =>
    Effect.gen(function*() {
      const id = yield* opened
      assert.deepStrictEqual(told(yield* append(chat(id, "1"), chat(id, "1"), chat(id, "2"))), [[1, true], [1, false], [
        2,
        true
      ]])
      const again = yield* append(chat(id, "2"), chat(id, "1", "another"), chat(id, "1", "another", "bob"))
      assert.deepStrictEqual(told(again), [[2, false], "MessageIdReused", [3, true]])
      assert.strictEqual((yield* history(id)).last_seq, 3)
    }).pipe(fresh))

  it.effect("refuses what is said where nothing was opened, and keeps the rest", () =>
    Effect.gen(function*() {
      const [id, unknown] = [yield* opened, newId()]
      assert.deepStrictEqual(told(yield* append(chat(unknown, "1"), chat(id, "1"))), ["SessionUnknown", [1, true]])
      const { run } = yield* Transaction
      const [nothing, again] = yield* run(Sessions.use((all) => all.appendFree([chat(unknown, "1"), chat(id, "1")])))
      assert.isUndefined(nothing)
      assert.deepStrictEqual(told([again!]), [[1, false]])
      assert.strictEqual((yield* Effect.flip(history(unknown)))._tag, "SessionUnknown")
      const opening = Sessions.use((sessions) => sessions.open({ kind: "tag", id: unknown }))
      assert.strictEqual((yield* Effect.flip(opening))._tag, "SessionUnknown")
    }).pipe(fresh))

  it.effect("keeps nothing of a transaction that fails, and gives its numbers again", () =>
    Effect.gen(function*() {
      const id = yield* opened
      const { run } = yield* Transaction
      yield* Effect.flip(run(Effect.andThen(append(chat(id, "1")), Effect.fail("broken"))))
      assert.deepStrictEqual(yield* history(id), { messages: [], last_seq: 0 })
      assert.deepStrictEqual(told(yield* append(chat(id, "2"))), [[1, true]])
    }).pipe(fresh))

  it.effect("loads those that are kept by their numbers", () =>
    Effect.gen(function*() {
      const id = yield* opened
      yield* append(chat(id, "1"), chat(id, "2"))
      const keys = [2, 1, 7].map((seq) => ({ session_id: id, seq }))
      const found = yield* Sessions.use((sessions) => sessions.load([...keys, { session_id: newId(), seq: 1 }]))
      assert.sameDeepMembers([...found], [...(yield* history(id)).messages])
    }).pipe(fresh))
}

const recording = (it: It) => {
  const changeIn = (id: EntityId, sessions: ReadonlyArray<EntityId>) =>
    ({
      entity_type: "library",
      entity_id: id,
      version: 2,
      op: "upsert",
      changes: [{ field: "name", from: "a", to: "b" }],
      actor: "ann",
      request_id: "r-1",
      sessions
    }) as const

  it.effect("says a change once in each session that is open, however often it is recorded", () =>
    Effect.gen(function*() {
      const [a, b] = [yield* opened, yield* opened]
      const sessions = yield* Sessions
      const change = changeIn(a, [a, b, newId()])
      const [first] = yield* sessions.record([change])
      assert.sameMembers(first!.map(({ session_id }) => session_id), [a, b])
      for (const again of yield* sessions.record([change, change])) assert.sameDeepMembers([...again], [...first!])
      const { last_seq, messages } = yield* history(b)
      assert.deepStrictEqual([last_seq, messages.map(({ kind }) => kind)], [1, ["change"]])
      assert.deepStrictEqual(told(yield* append(chat(a, "1"))), [[2, true]])
    }).pipe(fresh))

  it.effect("says no change where nobody has been for longer than a session stays open", () =>
    Effect.gen(function*() {
      const id = yield* opened
      yield* passTime("91 seconds")
      const sessions = yield* Sessions
      assert.deepStrictEqual(yield* sessions.record([changeIn(id, [id])]), [[]])
      assert.deepStrictEqual(yield* sessions.open({ kind: "library", id }), { last_seq: 0, version: 1 })
      assert.lengthOf((yield* sessions.record([changeIn(id, [id])]))[0]!, 1)
    }).pipe(fresh))
}

export const suite = suiteOf<Backstage | Catalog | Sessions | Transaction>("Sessions", [numbering, recording])
