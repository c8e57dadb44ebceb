/** The message bus on a real NATS keeps its promises; skipped where there is none (infra/install-nats.sh). */
import { assert, it } from "@effect/vitest"
import { Duration, Effect, Layer, Redacted, Result } from "effect"
import * as MessageBusNats from "../../layers/nats/MessageBusNats.ts"
import * as NatsClient from "../../layers/nats/NatsClient.ts"
import { MessageBus } from "../../src/realtime/MessageBus.ts"
import * as MessageBusSuite from "../conformance/MessageBusSuite.ts"
import { chatOf } from "../support/Chats.ts"
import { natsServer, noNats } from "../support/NatsServer.ts"
import { describeUnless } from "../support/Unless.ts"

const names = { ...NatsClient.names, ackWait: Duration.seconds(1) }
const on = (url: string) => MessageBusNats.layer.pipe(Layer.provideMerge(NatsClient.layer(Redacted.make(url), names)))

const message = (seq: number) => ({ trace: null, message: chatOf(seq) })

describeUnless(noNats, "NATS", () => {
  MessageBusSuite.suite({
    name: "NATS",
    layer: Layer.unwrap(Effect.map(natsServer, ({ url }) => on(url))),
    excludeTestServices: true
  })

  it.live("makes its streams once, also when several do at once", () =>
    Effect.gen(function*() {
      const { url } = yield* natsServer
      yield* Effect.gen(function*() {
        const { ensure } = yield* NatsClient.NatsClient
        assert.isTrue(yield* ensure)
        assert.isFalse(yield* ensure)
        yield* Effect.all(Array.from({ length: 8 }, () => ensure), { concurrency: "unbounded" })
      }).pipe(Effect.provide(NatsClient.layer(Redacted.make(url), names)))
    }).pipe(Effect.scoped))

  it.live("keeps what it took through a crash, refuses what it cannot take, and goes on by itself", () =>
    Effect.gen(function*() {
      const running = yield* natsServer
      yield* Effect.gen(function*() {
        const bus = yield* MessageBus
        assert.deepStrictEqual((yield* bus.publish([message(1), message(2)])).map(Result.isSuccess), [true, true])
        yield* Effect.promise(() => running.crash())
        assert.deepStrictEqual((yield* bus.publish([message(3)])).map(Result.isSuccess), [false])
        yield* Effect.promise(() => running.again())
        const again = bus.publish([message(3)]).pipe(
          Effect.repeat({ until: ([result]) => result !== undefined && Result.isSuccess(result) })
        )
        yield* again
        const seen = new Set<number>()
        while (seen.size < 3) {
          for (const one of yield* bus.take(10)) {
            seen.add(one.message!.seq)
            yield* one.done
          }
        }
        assert.deepStrictEqual([...seen].toSorted(), [1, 2, 3])
      }).pipe(Effect.provide(on(running.url)))
    }).pipe(Effect.scoped))

  it.live("takes messages again after it has lost everything", () =>
    Effect.gen(function*() {
      const { url } = yield* natsServer
      yield* Effect.gen(function*() {
        const bus = yield* MessageBus
        const { connection } = yield* NatsClient.NatsClient
        yield* bus.publish([message(1)])
        for (const one of yield* bus.take(1)) yield* one.done
        const deleted = yield* Effect.promise(() => connection.request(`$JS.API.STREAM.DELETE.${names.stream}`, ""))
        assert.include(deleted.string(), "\"success\":true")
        yield* bus.publish([message(1)]).pipe(
          Effect.repeat({ until: ([result]) => result !== undefined && Result.isSuccess(result) })
        )
        const [found] = yield* bus.take(1)
        assert.strictEqual(found!.message!.seq, 1)
        yield* found!.done
      }).pipe(Effect.provide(on(url)))
    }).pipe(Effect.scoped))
})
