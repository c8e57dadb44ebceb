/** Whose trace a message of a real NATS belongs to: without a context, with a wrong one, and delivered again. */
import { assert, it } from "@effect/vitest"
import { headers as natsHeaders } from "@nats-io/nats-core"
import { Effect, Layer, Option, Redacted } from "effect"
import * as MessageBusNats from "../../layers/nats/MessageBusNats.ts"
import * as NatsClient from "../../layers/nats/NatsClient.ts"
import * as FirstDeliveries from "../../src/realtime/FirstDeliveries.ts"
import { Presence } from "../../src/realtime/Presence.ts"
import { Push } from "../../src/realtime/Push.ts"
import { PushFailed } from "../../src/realtime/RealtimeErrors.ts"
import { runOnce } from "../../src/realtime/TaskRunner.ts"
import { chatOf } from "../support/Chats.ts"
import { natsServer, noNats } from "../support/NatsServer.ts"
import * as RecordedSpans from "../support/RecordedSpans.ts"
import { describeUnless } from "../support/Unless.ts"

const traceId = "0af7651916cd43dd8448eb211c80319c"
const spanId = "b7ad6b7169203331"
const traceparent = `00-${traceId}-${spanId}-01`

/** The third message cannot be told the first time. */
const pushing = Layer.sync(Push, () => {
  let failures = 0
  return Push.of({
    push: ({ gateway_id }, { seq }) =>
      seq === 3 && failures++ === 0
        ? Effect.fail(new PushFailed({ gateway_id, why: "unreachable", detail: "not just now" }))
        : Effect.succeed(1)
  })
})

describeUnless(noNats, "traces over NATS", () => {
  it.live("a message without TraceParent or with a malformed one begins a root, one delivered again is linked", () =>
    Effect.gen(function*() {
      const { url } = yield* natsServer
      yield* Effect.gen(function*() {
        const { names, stream } = yield* NatsClient.NatsClient
        const publish = (seq: number, field: string | undefined, header: string | undefined) => {
          const headers = natsHeaders()
          if (header !== undefined) headers.set("traceparent", header)
          const body = JSON.stringify({ message: chatOf(seq), TraceParent: field })
          return Effect.promise(() => stream.publish(`${names.subject}.one`, body, { headers }))
        }
        yield* publish(1, undefined, undefined)
        yield* publish(2, undefined, `00-${"0".repeat(32)}-${spanId}-01`)
        yield* publish(3, traceparent, undefined)
        const known = FirstDeliveries.make()
        let consumed = yield* RecordedSpans.named("task.mq.consume")
        while (consumed.length < 4) {
          yield* runOnce(64, new Map(), known)
          consumed = yield* RecordedSpans.named("task.mq.consume")
        }
        const [missing, malformed, first, again] = consumed.toSorted((a, b) =>
          String(a.attributes.get("messaging.message.id")).localeCompare(
            String(b.attributes.get("messaging.message.id"))
          )
        )
        for (const root of [missing!, malformed!]) {
          assert.isTrue(Option.isNone(root.parent))
          assert.deepStrictEqual(root.links, [])
        }
        assert.lengthOf([...new Set([missing!, malformed!, first!].map((span) => span.traceId))], 3)
        assert.deepStrictEqual([first!, again!].map((span) => span.attributes.get("attempt")), [1, 2])
        for (const span of [first!, again!]) {
          assert.strictEqual(span.traceId, traceId)
          assert.strictEqual(Option.getOrUndefined(span.parent)?.spanId, spanId)
        }
        assert.deepStrictEqual(first!.links, [])
        assert.deepStrictEqual(again!.links.map(({ span }) => [span.traceId, span.spanId]), [[traceId, first!.spanId]])
        assert.isDefined(RecordedSpans.errorOf(first!))
        assert.isUndefined(RecordedSpans.errorOf(again!))
      }).pipe(Effect.provide([
        MessageBusNats.layer.pipe(Layer.provideMerge(NatsClient.layer(Redacted.make(url)))),
        Layer.mock(Presence, {
          whereAre: (sessions) => Effect.succeed(sessions.map(() => [{ gateway_id: "g1", address: "a:1" }]))
        }),
        pushing,
        RecordedSpans.layer
      ]))
    }).pipe(Effect.scoped))
})
