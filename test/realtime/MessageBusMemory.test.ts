/** The message bus in memory keeps its promises. */
import { assert, it } from "@effect/vitest"
import { Duration, Effect, Result } from "effect"
import * as MessageBusMemory from "../../layers/memory/MessageBusMemory.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import { MessageBus } from "../../src/realtime/MessageBus.ts"
import * as MessageBusSuite from "../conformance/MessageBusSuite.ts"
import { chatOf } from "../support/Chats.ts"

const options = { ...MessageBusMemory.defaults, ackWait: Duration.millis(500) }

MessageBusSuite.suite({ name: "memory", layer: MessageBusMemory.layerWith(options), excludeTestServices: true })

it.effect("refuses what it has no room for, so that the outbox keeps it", () =>
  Effect.gen(function*() {
    const bus = yield* MessageBus
    const session_id = EntityId.make(crypto.randomUUID())
    const message = (seq: number) => ({ trace: null, message: chatOf(seq, { session_id }) })
    const results = yield* bus.publish([1, 2, 3].map(message))
    assert.deepStrictEqual(results.map(Result.isSuccess), [true, true, false])
    yield* Effect.forEach(yield* bus.take(10), ({ done }) => done)
    assert.deepStrictEqual((yield* bus.publish([message(3)])).map(Result.isSuccess), [true])
  }).pipe(Effect.provide(MessageBusMemory.layerWith({ ...options, max: 2 }))))
