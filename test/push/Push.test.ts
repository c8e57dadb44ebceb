/** A push over real TCP: what goes together stays apart in trace and answer, and each failure has its word. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { once } from "node:events"
import { type AddressInfo, connect as openSocket, createServer, type Socket } from "node:net"
import * as PushClient from "../../layers/push/PushClient.ts"
import * as PushServer from "../../layers/push/PushServer.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import { Push } from "../../src/realtime/Push.ts"
import { LogicUnavailable, PushFailed } from "../../src/realtime/RealtimeErrors.ts"
import { Rooms } from "../../src/realtime/Rooms.ts"
import type { SessionMessage } from "../../src/realtime/Session.ts"
import * as RecordedSpans from "../support/RecordedSpans.ts"

const session_id = EntityId.make("0198f2a0-0000-7000-8000-000000000001")

const messageOf = (seq: number, text = "hello"): SessionMessage => ({
  session_id,
  seq,
  kind: "chat",
  from_user: "ann",
  client_id: `c-${seq}`,
  body: { text },
  at: "2026-03-04T05:06:07.089Z",
  request_id: `r-${seq}`
})

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at + 1)

/** Its members are as many as the message's number says. */
const gateway = Effect.fnUntraced(function*(push: Rooms["Service"]["push"] = ({ seq }) => Effect.succeed(seq)) {
  const socket = yield* Layer.build(PushServer.socket({ host: "127.0.0.1", port: 0 }))
  yield* Layer.build(
    PushServer.layer("g1").pipe(Layer.provide(Layer.mock(Rooms, { push })), Layer.provide(Layer.succeedContext(socket)))
  )
  const port = yield* Effect.provideContext(PushServer.portOf, socket)
  return { gateway_id: "g1", address: `127.0.0.1:${port}` }
})

/** Somebody else on the port where a gateway was. */
const stranger = Effect.fnUntraced(function*(onConnection: (socket: Socket) => void) {
  const server = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const made = createServer(onConnection).listen(0, "127.0.0.1")
      await once(made, "listening")
      return made
    }),
    (made) => Effect.sync(() => made.close())
  )
  return { gateway_id: "g1", address: `127.0.0.1:${(server.address() as AddressInfo).port}` }
})

const pushing = (...[to, message, trace]: Parameters<Push["Service"]["push"]>) =>
  Push.use(({ push }) => push(to, message, trace))

const over = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  work.pipe(Effect.scoped, Effect.provide(Layer.provideMerge(PushClient.layer, RecordedSpans.layer), { local: true }))

const refusal = (...asked: Parameters<Push["Service"]["push"]>) => Effect.flip(pushing(...asked))

describe("a push", () => {
  it.live("of many at once answers each for itself, in its order and its own trace", () =>
    over(Effect.gen(function*() {
      const given: Array<number> = []
      const to = yield* gateway(({ seq }) =>
        Effect.suspend(() => {
          given.push(seq)
          return seq === 13 ? Effect.fail(new LogicUnavailable({ detail: "away" })) : Effect.succeed(seq)
        })
      )
      const traceOf = (seq: number) => `00-${seq.toString(16).padStart(32, "0")}-b7ad6b7169203331-01`
      const answers = yield* Effect.forEach(
        numbers(300),
        (seq) =>
          pushing(to, messageOf(seq), { traceparent: traceOf(seq), tracestate: null }).pipe(
            Effect.catch(({ detail, why }) => Effect.succeed(`${why}: ${detail}`))
          ),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(answers, numbers(300).map((seq) => seq === 13 ? "unreachable: away" : seq))
      assert.deepStrictEqual(given.toSorted((a, b) => a - b), numbers(300))
      const spans = yield* RecordedSpans.named("gateway.push.receive")
      assert.sameMembers(
        spans.map(({ parent, traceId }) => `00-${traceId}-${Option.getOrUndefined(parent)?.spanId}-01`),
        numbers(300).map(traceOf)
      )
      assert.lengthOf(spans.filter((span) => RecordedSpans.errorOf(span) !== undefined), 1)
    })))

  it.live("of the longest texts fits into its frames, whatever has to be escaped in them", () =>
    over(Effect.gen(function*() {
      const to = yield* gateway()
      const answers = yield* Effect.forEach(
        numbers(64),
        (seq) => pushing(to, messageOf(seq, "\u0001".repeat(8_000)), null),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(answers, numbers(64))
    })))

  it.live("to a gateway that is another by now is refused, with error status on its span", () =>
    over(Effect.gen(function*() {
      const { address } = yield* gateway()
      const error = yield* refusal({ gateway_id: "g0", address }, messageOf(1), null)
      assert.deepStrictEqual([error._tag, error.why, error.gateway_id], ["PushFailed", "refused", "g0"])
      const [span] = yield* RecordedSpans.named("gateway.push.receive")
      assert.isDefined(RecordedSpans.errorOf(span!))
    })))

  it.live("to nobody is unreachable, at once for whoever comes right after it", () =>
    over(Effect.gen(function*() {
      const to = yield* Effect.scoped(gateway())
      assert.strictEqual((yield* refusal(to, messageOf(1), null)).why, "unreachable")
      assert.strictEqual((yield* refusal(to, messageOf(2), null)).detail, "it did not answer just now")
    })))

  it.live("to who takes it and says nothing has a dead line, for all who wait", () =>
    over(Effect.gen(function*() {
      const silent = yield* stranger((socket) => void socket.on("error", () => {}).resume())
      const errors = yield* Effect.forEach(numbers(3), (seq) => refusal(silent, messageOf(seq), null), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(errors.map(({ why }) => why), ["unreachable", "unreachable", "unreachable"])
    })))

  it.live("finds the gateway again that was gone for a while", () =>
    over(Effect.gen(function*() {
      const to = yield* gateway()
      assert.strictEqual(yield* pushing(to, messageOf(1), null), 1)
      const other = yield* stranger((socket) => socket.destroy())
      assert.strictEqual((yield* refusal(other, messageOf(2), null)).why, "unreachable")
      assert.strictEqual(yield* pushing(to, messageOf(3), null), 3)
    })))

  it.live("that fits into no frame is refused, and holds up nobody", () =>
    over(Effect.gen(function*() {
      const to = yield* gateway()
      const huge = yield* refusal(to, messageOf(1, "x".repeat(300_000)), null)
      assert.instanceOf(huge, PushFailed)
      assert.strictEqual(huge.why, "refused")
      assert.strictEqual(yield* pushing(to, messageOf(2), null), 2)
    })))

  it.live("without an end is not waited for: the gateway hangs up, and goes on with the others", () =>
    over(Effect.gen(function*() {
      const to = yield* gateway()
      const socket = openSocket(Number(to.address.split(":")[1]), "127.0.0.1").on("error", () => {})
      const closed = new Promise((done) => void socket.once("close", done))
      socket.write("x".repeat(300_000))
      yield* Effect.promise(() => closed)
      assert.strictEqual(yield* pushing(to, messageOf(1), null), 1)
    })))
})
