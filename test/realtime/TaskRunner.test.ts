/** What a task makes of a message: whose trace it is, whom it tells, and what if somebody cannot be told. */
import { assert, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Layer, Option, Scope, Tracer } from "effect"
import { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import * as FirstDeliveries from "../../src/realtime/FirstDeliveries.ts"
import { type CarriedTrace, MessageBus, type Received } from "../../src/realtime/MessageBus.ts"
import { type Gateway, Presence } from "../../src/realtime/Presence.ts"
import { Push } from "../../src/realtime/Push.ts"
import { PushFailed } from "../../src/realtime/RealtimeErrors.ts"
import type { SessionMessage } from "../../src/realtime/Session.ts"
import { attemptsMax, layer as runnerLayer, runOnce, type Turns } from "../../src/realtime/TaskRunner.ts"
import { chatOf } from "../support/Chats.ts"
import * as RecordedSpans from "../support/RecordedSpans.ts"

const traceId = "0af7651916cd43dd8448eb211c80319c"
const traceparent = `00-${traceId}-b7ad6b7169203331-01`
const message = chatOf(1)

type End = "done" | "again" | `buried: ${string}`

interface Options {
  readonly trace?: CarriedTrace
  readonly attempt?: number
  readonly message?: SessionMessage | undefined
  readonly gateways?: ReadonlyArray<Gateway> | "away"
  readonly answer?: (gateway: Gateway) => Effect.Effect<number, PushFailed>
  readonly take?: (one: Received) => Effect.Effect<ReadonlyArray<Received>>
}

const stage = (options: Options) => {
  const ends: Array<End> = []
  const pushed: Array<string | null> = []
  const end = (how: End) => Effect.sync(() => void ends.push(how))
  const one: Received = {
    message: "message" in options ? options.message : message,
    trace: options.trace ?? { headers: { traceparent: [traceparent] }, field: traceparent },
    attempt: options.attempt ?? 1,
    done: end("done"),
    again: () => end("again"),
    bury: (reason) => end(`buried: ${reason}`)
  }
  const { answer = () => Effect.succeed(3), gateways = [{ gateway_id: "g1", address: "a:1" }] } = options
  const { take = (each) => Effect.succeed([each]) } = options
  const nothing = Effect.die("not asked here")
  const layer = Layer.mergeAll(
    Layer.succeed(
      MessageBus,
      MessageBus.of({ publish: () => nothing, take: () => take(one), buried: nothing })
    ),
    Layer.succeed(
      Presence,
      Presence.of({
        attend: () => nothing,
        enter: () => nothing,
        leave: () => nothing,
        retire: () => nothing,
        whereAre: (sessions) =>
          gateways === "away"
            ? Effect.fail(new StoreUnavailable({ cause: "away" }))
            : Effect.succeed(sessions.map(() => gateways))
      })
    ),
    Layer.succeed(
      Push,
      Push.of({
        push: (gateway, _message, trace) =>
          Effect.andThen(Effect.sync(() => void pushed.push(trace?.traceparent ?? null)), answer(gateway))
      })
    ),
    RecordedSpans.layer
  )
  return { ends, pushed, layer }
}

const scene = (options: Options) => {
  const { ends, layer, pushed } = stage(options)
  return Effect.gen(function*() {
    yield* runOnce()
    const spans = yield* RecordedSpans.all
    const consume = spans.find(({ name }) => name === "task.mq.consume")!
    const pushes = spans.filter(({ name }) => name === "task.push.gateway")
    return { ends, pushed, consume, pushes }
  }).pipe(Effect.provide(layer))
}

it.effect("goes on in the trace of the publication, and tells the gateway in it", () =>
  Effect.gen(function*() {
    const { consume, ends, pushed, pushes: [push] } = yield* scene({})
    assert.deepStrictEqual(ends, ["done"])
    assert.strictEqual(consume.traceId, traceId)
    assert.strictEqual(Option.getOrUndefined(consume.parent)?.spanId, "b7ad6b7169203331")
    assert.deepStrictEqual(consume.links, [])
    assert.strictEqual(consume.kind, "consumer")
    assert.strictEqual(consume.attributes.get("mq.topic"), "wordloom.realtime")
    assert.strictEqual(Option.getOrUndefined(push!.parent)?.spanId, consume.spanId)
    assert.strictEqual(push!.attributes.get("gateway_id"), "g1")
    assert.strictEqual(push!.attributes.get("user_count"), 3)
    assert.deepStrictEqual(pushed, [`00-${traceId}-${push!.spanId}-01`])
  }))

it.effect("begins a new root for a message without TraceParent", () =>
  Effect.gen(function*() {
    const { consume, ends } = yield* scene({ trace: { headers: {}, field: undefined } })
    assert.deepStrictEqual(ends, ["done"])
    assert.isTrue(Option.isNone(consume.parent))
    assert.notStrictEqual(consume.traceId, traceId)
  }))

it.effect("begins a new root for a message with a malformed TraceParent", () =>
  Effect.gen(function*() {
    for (const headers of [{ traceparent: ["00-zz-1-01"] }, { traceparent: [traceparent, traceparent] }]) {
      const { consume, ends } = yield* scene({ trace: { headers, field: traceparent } })
      assert.deepStrictEqual(ends, ["done"])
      assert.isTrue(Option.isNone(consume.parent))
      assert.notStrictEqual(consume.traceId, traceId)
    }
  }))

it.effect("stays in the trace when a message is redelivered, and links to its first delivery", () => {
  let attempt = 0
  const { layer } = stage({ take: (one) => Effect.sync(() => [{ ...one, attempt: ++attempt }]) })
  const first = FirstDeliveries.make()
  return Effect.gen(function*() {
    for (let each = 1; each <= 3; each++) yield* runOnce(64, new Map(), first)
    const spans = yield* RecordedSpans.named("task.mq.consume")
    for (const span of spans) {
      assert.strictEqual(span.traceId, traceId)
      assert.strictEqual(Option.getOrUndefined(span.parent)?.spanId, "b7ad6b7169203331")
    }
    const [{ spanId }] = spans as [Tracer.NativeSpan]
    assert.deepStrictEqual(spans.map(({ links }) => links.map(({ span }) => [span.traceId, span.spanId])), [
      [],
      [[traceId, spanId]],
      [[traceId, spanId]]
    ])
    assert.deepStrictEqual(spans.map(({ attributes }) => [attributes.get("attempt"), attributes.get("redelivered")]), [
      [1, undefined],
      [2, true],
      [3, true]
    ])
  }).pipe(Effect.provide(layer))
})

it.effect("links to nothing when somebody else had the first delivery: its parent is what published it", () =>
  Effect.gen(function*() {
    const { consume } = yield* scene({ attempt: 3 })
    assert.strictEqual(Option.getOrUndefined(consume.parent)?.spanId, "b7ad6b7169203331")
    assert.deepStrictEqual(consume.links, [])
    assert.strictEqual(consume.attributes.get("redelivered"), true)
  }))

it("first deliveries are remembered up to a bound, the longest of those that come again", () => {
  const { met } = FirstDeliveries.make(2)
  const span = (spanId: string) => Tracer.externalSpan({ traceId, spanId })
  for (const id of ["a", "b"]) assert.isUndefined(met(id, 1, span(id)))
  assert.strictEqual(met("a", 2, span("x"))?.spanId, "a")
  assert.isUndefined(met("c", 1, span("c")))
  assert.deepStrictEqual(["a", "b", "c"].map((id) => met(id, 3, span("y"))?.spanId), ["a", undefined, "c"])
})

const failed = (why: "draining" | "unreachable") => ({ gateway_id }: Gateway) =>
  gateway_id === "g1" ? Effect.fail(new PushFailed({ gateway_id, why, detail: "no" })) : Effect.succeed(1)

const two = [{ gateway_id: "g1", address: "a:1" }, { gateway_id: "g2", address: "a:2" }]

it.effect("tells the others when one gateway cannot be told, and comes again for that one", () =>
  Effect.gen(function*() {
    const { consume, ends, pushes } = yield* scene({ gateways: two, answer: failed("unreachable") })
    assert.deepStrictEqual(ends, ["again"])
    assert.deepStrictEqual(pushes.map((push) => RecordedSpans.errorOf(push) !== undefined), [true, false])
    assert.isDefined(RecordedSpans.errorOf(consume))
  }))

it.effect("does not wait for a gateway that is draining: its clients are on their way", () =>
  Effect.gen(function*() {
    const { ends } = yield* scene({ gateways: two, answer: failed("draining") })
    assert.deepStrictEqual(ends, ["done"])
  }))

it.effect("has nobody to tell, and is done", () =>
  Effect.gen(function*() {
    const { ends, pushes } = yield* scene({ gateways: [] })
    assert.deepStrictEqual(ends, ["done"])
    assert.deepStrictEqual(pushes, [])
  }))

it.effect("comes again while nobody knows who holds the members", () =>
  Effect.gen(function*() {
    assert.deepStrictEqual((yield* scene({ gateways: "away" })).ends, ["again"])
  }))

it.effect("puts aside what cannot be read, and what has failed too often", () =>
  Effect.gen(function*() {
    assert.deepStrictEqual((yield* scene({ attempt: attemptsMax })).ends, ["done"])
    const buried = [
      [{ message: undefined }, "it could not be read", "message_unreadable"],
      [{ attempt: attemptsMax + 1 }, "out of attempts", "attempts_exhausted"]
    ] as const
    for (const [options, reason, type] of buried) {
      const { consume, ends } = yield* scene(options)
      assert.deepStrictEqual(ends, [`buried: ${reason}`])
      // Or its trace would be kept no more than any other.
      assert.deepStrictEqual([RecordedSpans.errorOf(consume), consume.attributes.get("error.type")], [reason, type])
    }
  }))

it.effect("tells a session's messages in their order, whichever loop has taken them", () =>
  Effect.gen(function*() {
    const begun = yield* Deferred.make<void>()
    const slow = yield* Deferred.make<void>()
    const told: Array<number> = []
    const take = (seq: number): Received => ({
      message: { ...message, seq },
      trace: { headers: {}, field: undefined },
      attempt: 1,
      done: Effect.void,
      again: () => Effect.void,
      bury: () => Effect.void
    })
    const waiting = [[take(1)], [take(2), take(3)]]
    const nothing = Effect.die("not asked here")
    const layer = Layer.mergeAll(
      Layer.succeed(
        MessageBus,
        MessageBus.of({ publish: () => nothing, take: () => Effect.sync(() => waiting.shift()!), buried: nothing })
      ),
      Layer.mock(Presence, {
        whereAre: (ids) => Effect.succeed(ids.map(() => [{ gateway_id: "g1", address: "a:1" }]))
      }),
      Layer.succeed(
        Push,
        Push.of({
          push: (_, { seq }) =>
            Effect.gen(function*() {
              if (seq === 1) yield* Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(slow))
              told.push(seq)
              return 1
            })
        })
      ),
      RecordedSpans.layer
    )
    const turns: Turns = new Map()
    yield* Effect.gen(function*() {
      const first = yield* Effect.forkChild(runOnce(64, turns))
      yield* Deferred.await(begun)
      const second = yield* Effect.forkChild(runOnce(64, turns))
      for (let each = 0; each < 100; each++) yield* Effect.yieldNow
      assert.deepStrictEqual(told, [])
      yield* Deferred.succeed(slow, undefined)
      yield* Effect.andThen(Fiber.join(first), Fiber.join(second))
    }).pipe(Effect.provide(layer))
    assert.deepStrictEqual(told, [1, 2, 3])
    assert.strictEqual(turns.size, 0)
  }))

it.effect("pushes what it has taken before it stops, and takes nothing more", () =>
  Effect.gen(function*() {
    const [begun, mayEnd, stopping] = [yield* Deferred.make<void>(), yield* Deferred.make<void>(), yield* Scope.make()]
    let taken = 0
    const { ends, layer } = stage({
      take: (one) => Effect.suspend(() => taken++ === 0 ? Effect.succeed([one]) : Effect.never),
      answer: () => Effect.andThen(Deferred.succeed(begun, undefined), Effect.as(Deferred.await(mayEnd), 1))
    })
    const runner = runnerLayer({ drainFor: Duration.minutes(1) }).pipe(Layer.provide(layer))
    yield* Layer.buildWithScope(runner, stopping)
    yield* Deferred.await(begun)
    const stopped = yield* Effect.forkChild(Scope.close(stopping, Exit.void))
    yield* Effect.yieldNow
    const before = taken
    yield* Deferred.succeed(mayEnd, undefined)
    yield* Fiber.join(stopped)
    assert.deepStrictEqual(ends, ["done"])
    assert.strictEqual(taken, before)
  }))
