/** Logic over real gRPC: errors keep their word, both headers arrive, and nothing is unbounded. */
import { assert, describe, it } from "@effect/vitest"
import { credentials, loadPackageDefinition, Metadata, status } from "@grpc/grpc-js"
import { loadSync } from "@grpc/proto-loader"
import { Context, Effect, Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import { protoPath } from "grpc-health-check"
import { networkInterfaces } from "node:os"
import { LogicStub, messageMax } from "../../layers/grpc/ChatProto.ts"
import * as LogicClientGrpc from "../../layers/grpc/LogicClientGrpc.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import { Logic } from "../../src/realtime/Logic.ts"
import * as LogicServing from "../../src/realtime/LogicServing.ts"
import { LogicUnavailable, MessageIdReused, SessionUnknown } from "../../src/realtime/RealtimeErrors.ts"
import { CurrentRequest } from "../../src/telemetry/CurrentRequest.ts"
import { served } from "../support/LogicOverGrpc.ts"
import * as RecordedSpans from "../support/RecordedSpans.ts"

const session_id = EntityId.make("0198f2a0-0000-7000-8000-000000000001")
const chat = (client_id: string, text = "hello") => ({
  session_id,
  from_user: "ann",
  client_id,
  text,
  request_id: null
})

/** What it is sent decides how it answers. */
const scripted = Logic.of({
  sendMessage: (chat) =>
    chat.client_id === "reused"
      ? Effect.fail(new MessageIdReused({ client_id: chat.client_id }))
      : chat.client_id === "unknown"
      ? Effect.fail(new SessionUnknown({ session: chat.session_id }))
      : chat.client_id === "away"
      ? Effect.fail(new LogicUnavailable({ detail: "the database did not answer" }))
      : chat.client_id === "bug"
      ? Effect.die(new Error("secret inside"))
      : Effect.map(CurrentRequest, ({ requestId }) => ({
        isNew: true,
        message: {
          session_id: chat.session_id,
          seq: 3,
          kind: "chat",
          from_user: chat.from_user,
          client_id: chat.client_id,
          body: { text: chat.text },
          at: "2026-03-04T05:06:07.089Z",
          request_id: requestId
        }
      })),
  history: () => Effect.never,
  join: (ref) => Effect.succeed({ last_seq: 5, version: ref.kind === "block" ? 2 : 1 }),
  leave: () => Effect.void,
  attend: (_gateway, sessions) => Effect.succeed(sessions.map((session_id) => ({ session_id, last_seq: 9 }))),
  retire: () => Effect.void
})

class Address extends Context.Service<Address, string>()("wordloom/test/Address") {}

const wire = (host: string) =>
  served(
    LogicServing.layer.pipe(Layer.provide(Layer.succeed(Logic, scripted))),
    (address) => Layer.merge(LogicClientGrpc.layer(address), Layer.succeed(Address, address)),
    host
  ).pipe(Layer.provideMerge(Layer.merge(RecordedSpans.layer, SecureRandom.layerWebCrypto)))

const over = <A, E>(work: Effect.Effect<A, E, Logic | Address | RecordedSpans.RecordedSpans>, host = "127.0.0.1") =>
  Effect.provide(work, wire(host), { local: true })

const hasIpv6 = Object.values(networkInterfaces()).flat().some((found) => found?.address === "::1")

/** A call as any other client would make it. */
const raw = (address: string, method: string, request: object, metadata = new Metadata()) =>
  Effect.callback<{ readonly code: number; readonly details: string; readonly word: string | undefined }>((resume) => {
    const client = new LogicStub(address, credentials.createInsecure(), { "grpc.max_send_message_length": -1 })
    const unary = (client as unknown as Record<string, (...all: ReadonlyArray<unknown>) => void>)[method]!.bind(client)
    unary(request, metadata, (error: { code: number; details: string; metadata: Metadata } | null) => {
      client.close()
      const word = error?.metadata.get("wordloom-error")[0]
      resume(Effect.succeed({
        code: error?.code ?? 0,
        details: error?.details ?? "",
        word: word === undefined ? undefined : String(word)
      }))
    })
  })

describe("logic over gRPC", () => {
  it.live("answers what it is asked, and takes the request id along", () =>
    over(Effect.gen(function*() {
      const logic = yield* Logic
      const sent = yield* logic.sendMessage(chat("c-1", "it's \"new\" — 新")).pipe(
        Effect.provideService(CurrentRequest, { requestId: "r-7", actor: "ann" })
      )
      assert.deepStrictEqual([sent.isNew, sent.message.seq, sent.message.request_id], [true, 3, "r-7"])
      assert.deepStrictEqual(sent.message.body, { text: "it's \"new\" — 新" })
      const gateway = { gateway_id: "g1", address: "127.0.0.1:1" }
      assert.deepStrictEqual(yield* logic.join({ kind: "block", id: session_id }, gateway), { last_seq: 5, version: 2 })
      assert.deepStrictEqual(yield* logic.attend(gateway, [session_id]), [{ session_id, last_seq: 9 }])
    })))

  it.live("keeps the word of every error, with error status on both spans", () =>
    over(Effect.gen(function*() {
      const logic = yield* Logic
      const words = {
        reused: "MessageIdReused",
        unknown: "SessionUnknown",
        away: "LogicUnavailable",
        bug: "LogicUnavailable"
      }
      for (const [client_id, word] of Object.entries(words)) {
        const error = yield* Effect.flip(
          logic.sendMessage(chat(client_id)).pipe(Effect.withSpan("gateway.grpc.send_message", { kind: "client" }))
        )
        assert.strictEqual(error._tag, word)
        assert.notInclude(error.message, "secret")
      }
      for (const name of ["gateway.grpc.send_message", "logic.chat.send_message"]) {
        const spans = yield* RecordedSpans.named(name)
        assert.deepStrictEqual(spans.map((span) => RecordedSpans.errorOf(span) !== undefined), [true, true, true, true])
      }
    })))

  it.live("goes on in the caller's trace, and begins a root for whoever has none or a wrong one", () =>
    over(Effect.gen(function*() {
      const logic = yield* Logic
      const address = yield* Address
      yield* logic.sendMessage(chat("c-1")).pipe(Effect.withSpan("gateway.grpc.send_message", { root: true }))
      const metadata = new Metadata()
      metadata.set("traceparent", "00-junk-1-01")
      yield* raw(address, "SendMessage", chat("c-2"), metadata)
      yield* raw(address, "SendMessage", chat("c-3"))
      const [client] = yield* RecordedSpans.named("gateway.grpc.send_message")
      const [first, second, third] = yield* RecordedSpans.named("logic.chat.send_message")
      assert.strictEqual(first!.traceId, client!.traceId)
      assert.strictEqual(first!.parent._tag === "Some" ? first!.parent.value.spanId : "", client!.spanId)
      assert.deepStrictEqual([second!.parent._tag, third!.parent._tag], ["None", "None"])
      assert.strictEqual(first!.attributes.get("from_user"), "ann")
      assert.strictEqual(first!.attributes.get("session_id"), session_id)
    })))

  it.live("refuses what does not fit its contract, before anything is done for it", () =>
    over(Effect.gen(function*() {
      const address = yield* Address
      for (const wrong of [{ session_id: "x" }, { ...chat("c 1") }, { ...chat("c-1"), text: "" }]) {
        const { code, word } = yield* raw(address, "SendMessage", wrong)
        assert.deepStrictEqual([code, word], [status.INVALID_ARGUMENT, "MessageInvalid"])
      }
      const huge = yield* raw(address, "SendMessage", chat("c-1", "x".repeat(messageMax + 1)))
      assert.strictEqual(huge.code, status.RESOURCE_EXHAUSTED)
    })))

  it.live("does not wait for an answer that never comes", () =>
    over(Effect.gen(function*() {
      const error = yield* Effect.flip(Logic.use((logic) => logic.history(session_id, 0, 10)))
      assert.strictEqual(error._tag, "LogicUnavailable")
    })))

  it.live("tells its health", () =>
    over(Effect.gen(function*() {
      const address = yield* Address
      const { grpc } = loadPackageDefinition(loadSync(protoPath)) as any
      const client = new grpc.health.v1.Health(address, credentials.createInsecure())
      const answer = yield* Effect.callback<unknown>((resume) => {
        client.check({ service: "wordloom.chat.v1.Logic" }, (error: unknown, reply: unknown) =>
          resume(Effect.succeed(error ?? reply)))
      })
      client.close()
      assert.strictEqual((answer as { readonly status: unknown }).status, 1)
    })))

  it.live.skipIf(!hasIpv6)("tells an IPv6 address as it must be written to be asked there", () =>
    over(
      Effect.gen(function*() {
        assert.match(yield* Address, /^\[::1\]:\d+$/)
        assert.strictEqual((yield* Logic.use((logic) => logic.sendMessage(chat("c-1")))).message.seq, 3)
      }),
      "::1"
    ))

  it.live("is away where nobody listens: a clear error, and soon", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Logic.use((logic) => logic.sendMessage(chat("c-1"))))
      assert.strictEqual(error._tag, "LogicUnavailable")
    }).pipe(Effect.provide(LogicClientGrpc.layer("127.0.0.1:1"))))
})
