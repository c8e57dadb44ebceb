/** The gateway's door on real sockets: who reads too slowly, who is half open, and frames at the edges of the wire's. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import { WebSocket } from "ws"
import * as GatewayWebSocket from "../../layers/websocket/GatewayWebSocket.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import { Logic } from "../../src/realtime/Logic.ts"
import { Rooms } from "../../src/realtime/Rooms.ts"
import type { SessionMessage } from "../../src/realtime/Session.ts"
import { nothing, TraceBorder } from "../../src/telemetry/TraceBorder.ts"
import { until } from "../support/Programs.ts"
import { connect, type RawClient } from "../support/RealtimeClients.ts"

const id = EntityId.make("0198f2a0-0000-7000-8000-000000000001")
const session = `block/${id}`

const messageOf = (seq: number, text: string): SessionMessage => ({
  session_id: id,
  seq,
  kind: "chat",
  from_user: "ann",
  client_id: `c-${seq}`,
  body: { text },
  at: "2026-03-04T05:06:07.089Z",
  request_id: null
})

/** A gateway whose logic knows one session, in which nothing has been said. */
const opened = Effect.fnUntraced(function*(pingEvery = Duration.seconds(25)) {
  const left: Array<EntityId> = []
  const found = yield* Deferred.make<string>()
  const logic = Layer.mock(Logic, {
    join: () => Effect.succeed({ last_seq: 0, version: 1 }),
    history: () => Effect.succeed({ messages: [], last_seq: 0 }),
    leave: (_gateway, one) => Effect.sync(() => void left.push(one))
  })
  const options = { host: "127.0.0.1", port: 0, gatewayId: "g1", grace: Duration.seconds(1), pingEvery }
  const context = yield* Layer.build(
    GatewayWebSocket.layer(options, (url) => Effect.asVoid(Deferred.succeed(found, url))).pipe(
      Layer.provideMerge(Rooms.layer({ gateway_id: "g1", address: "here" })),
      Layer.provide([
        logic,
        SecureRandom.layerWebCrypto,
        Layer.succeed(TraceBorder, TraceBorder.of({ arrive: () => Effect.succeed(nothing) }))
      ])
    )
  )
  return { url: yield* Deferred.await(found), rooms: Effect.provideContext(Rooms, context), left }
})

const joined = async (client: RawClient) => {
  client.send({ type: "join", session })
  await client.frame("joined", ({ type }) => type === "joined")
  return client
}

const numbers = ({ frames }: RawClient) => frames.filter(({ type }) => type === "message").map(({ seq }) => Number(seq))

describe("the gateway's door", () => {
  it.live("closes who reads too slowly with 1013, and holds up nobody else", () =>
    Effect.gen(function*() {
      const { left, rooms, url } = yield* opened()
      const { push } = yield* rooms
      const [slow, fast] = yield* Effect.promise(() =>
        Promise.all(["slow", "fast"].map((user) => connect(url, user).then(joined)))
      )
      slow!.socket.pause()
      // More than the gateway keeps for one, and than two machines' kernels do.
      const many = 2_000
      for (let seq = 1; seq <= many; seq++) {
        yield* push(messageOf(seq, "x".repeat(8_000)), null)
        if (seq % 20 === 0) {
          yield* Effect.promise(() => until("the fast one to have it", () => numbers(fast!).length === seq))
        }
      }
      slow!.socket.resume()
      assert.deepStrictEqual(yield* Effect.promise(() => slow!.closed), { code: 1013, reason: "slow" })
      const seen = numbers(slow!)
      assert.isBelow(seen.length, many)
      assert.deepStrictEqual(seen, seen.map((_, at) => at + 1))
      assert.deepStrictEqual(numbers(fast!), Array.from({ length: many }, (_, at) => at + 1))
      assert.deepStrictEqual(left, [])
    }).pipe(Effect.scoped))

  it.live("lets go who answers no ping, and says that its members are gone", () =>
    Effect.gen(function*() {
      const { left, rooms, url } = yield* opened(Duration.millis(200))
      const socket = new WebSocket(`${url}/?user=ann`, { autoPong: false } as object)
      const closed = new Promise<number>((done) => void socket.once("close", done))
      socket.once("open", () => socket.send(JSON.stringify({ type: "join", session })))
      assert.strictEqual(yield* Effect.promise(() => closed), 1006)
      yield* Effect.promise(() => until("its session to be left", () => left.includes(id)))
      assert.deepStrictEqual(yield* (yield* rooms).sessions, [])
    }).pipe(Effect.scoped))

  it.live("closes what is too large with 1009 and what is no text with 1003", () =>
    Effect.gen(function*() {
      const { url } = yield* opened()
      const codeAfter = async (data: string | Buffer) => {
        const client = await connect(url)
        client.socket.send(data)
        return (await client.closed).code
      }
      assert.strictEqual(yield* Effect.promise(() => codeAfter("x".repeat(70_000))), 1009)
      assert.strictEqual(yield* Effect.promise(() => codeAfter(Buffer.from([1, 2, 3]))), 1003)
    }).pipe(Effect.scoped))

  it.live("gives texts of every length as they are, however a frame writes it", () =>
    Effect.gen(function*() {
      const { rooms, url } = yield* opened()
      const { push } = yield* rooms
      const client = yield* Effect.promise(() => connect(url).then(joined))
      // Around the lengths at which a frame's header grows, and beyond one byte a letter.
      const texts = [1, 125, 126, 7_000, 65_535 - 300, 65_536, 70_000].map((length) => "新".repeat(length / 7) + "x")
      for (const [at, text] of texts.entries()) yield* push(messageOf(at + 1, text), null)
      yield* Effect.promise(() => client.frame("the last", ({ seq }) => seq === texts.length))
      const given = client.frames.filter(({ type }) => type === "message").map(({ body }) => body.text as string)
      assert.deepStrictEqual(given, texts)
    }).pipe(Effect.scoped))
})
