/** What every message bus promises: in order, at least once, again after a failure, and aside after too many. */
import { assert, type Vitest } from "@effect/vitest"
import { Effect, Result } from "effect"
import { EntityId } from "../../src/domain/Entity.ts"
import { MessageBus, type Published, type Received } from "../../src/realtime/MessageBus.ts"
import type { SessionMessage } from "../../src/realtime/Session.ts"
import { chatOf } from "../support/Chats.ts"
import { suiteOf } from "./Suite.ts"

type It = Vitest.MethodsNonLive<MessageBus>

const trace = { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`, tracestate: "congo=t61rcWkgMzE" }

const messages = (count: number): ReadonlyArray<SessionMessage> => {
  const session_id = EntityId.make(crypto.randomUUID())
  return Array.from({ length: count }, (_, at) => chatOf(at + 1, { session_id, text: `it's "${at}" — 新` }))
}

const published = (all: ReadonlyArray<SessionMessage>): ReadonlyArray<Published> =>
  all.map((message) => ({ message, trace }))

const publish = (all: ReadonlyArray<SessionMessage>) =>
  Effect.flatMap(MessageBus.use((bus) => bus.publish(published(all))), (results) =>
    Effect.sync(() => {
      assert.lengthOf(results, all.length)
      assert.isTrue(results.every(Result.isSuccess))
    }))

/** Other tests' messages are done with; these come sooner or later. */
const takeOf = Effect.fnUntraced(function*(wanted: ReadonlyArray<SessionMessage>, count: number) {
  const bus = yield* MessageBus
  const session = wanted[0]!.session_id
  const found: Array<Received> = []
  while (found.length < count) {
    for (const one of yield* bus.take(100)) {
      if (one.message?.session_id === session) found.push(one)
      else yield* one.done
    }
  }
  return found
})

const seqs = (all: ReadonlyArray<Received>) => all.map(({ message }) => message?.seq)

const carrying = (it: It) => {
  it.effect("carries messages as they were, in their order, with both headers and the field", () =>
    Effect.gen(function*() {
      const sent = messages(20)
      yield* publish(sent)
      const found = yield* takeOf(sent, 20)
      assert.deepStrictEqual(found.map(({ message }) => message), [...sent])
      for (const { attempt, trace: carried } of found) {
        assert.strictEqual(attempt, 1)
        assert.deepStrictEqual(carried, {
          headers: { traceparent: [trace.traceparent], tracestate: [trace.tracestate] },
          field: trace.traceparent
        })
      }
      yield* Effect.forEach(found, ({ done }) => done)
    }))

  it.effect("carries a message without a trace as one without", () =>
    Effect.gen(function*() {
      const sent = messages(1)
      yield* MessageBus.use((bus) => bus.publish([{ message: sent[0]!, trace: null }]))
      const [found] = yield* takeOf(sent, 1)
      assert.deepStrictEqual(found!.trace, { headers: {}, field: undefined })
      yield* found!.done
    }))

  it.effect("carries a message once that is published again", () =>
    Effect.gen(function*() {
      const sent = messages(3)
      yield* publish(sent)
      yield* publish(sent)
      const first = yield* takeOf(sent, 3)
      yield* Effect.forEach(first, ({ done }) => done)
      const later = messages(1)
      yield* publish(later)
      const rest = yield* MessageBus.use((bus) => bus.take(100))
      assert.isTrue(rest.every(({ message }) => message?.session_id !== sent[0]!.session_id))
      yield* Effect.forEach(rest, ({ done }) => done)
    }))
}

const settling = (it: It) => {
  it.effect("brings back what is put off, and counts its attempts", () =>
    Effect.gen(function*() {
      const sent = messages(2)
      yield* publish(sent)
      const [first, second] = yield* takeOf(sent, 2)
      yield* second!.done
      yield* first!.again(10)
      const [again] = yield* takeOf(sent, 1)
      assert.deepStrictEqual([again!.message!.seq, again!.attempt], [1, 2])
      assert.deepStrictEqual(again!.trace, first!.trace)
      yield* again!.done
    }))

  it.effect("brings back what nobody settled", () =>
    Effect.gen(function*() {
      const sent = messages(2)
      yield* publish(sent)
      assert.deepStrictEqual(seqs(yield* takeOf(sent, 2)), [1, 2])
      const again = yield* takeOf(sent, 2)
      assert.sameMembers(seqs(again) as Array<number>, [1, 2])
      assert.isTrue(again.every(({ attempt }) => attempt === 2))
      yield* Effect.forEach(again, ({ done }) => done)
    }))

  it.effect("puts aside what is buried, with the reason, and does not bring it back", () =>
    Effect.gen(function*() {
      const sent = messages(2)
      yield* publish(sent)
      const [first, second] = yield* takeOf(sent, 2)
      yield* first!.bury("it was in the way")
      yield* second!.again(10)
      const [again] = yield* takeOf(sent, 1)
      assert.strictEqual(again!.message!.seq, 2)
      yield* again!.done
      const buried = yield* MessageBus.use((bus) => bus.buried)
      const mine = buried.filter(({ message }) => message?.session_id === sent[0]!.session_id)
      assert.deepStrictEqual(mine, [{ reason: "it was in the way", message: sent[0] }])
    }))
}

export const suite = suiteOf<MessageBus>("MessageBus", [carrying, settling])
