/** What a client is told when its frame is not done, and what is left for those who mend it. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Logger, Option } from "effect"
import { SecureRandom } from "effect/crypto"
import * as LogicClientGrpc from "../../layers/grpc/LogicClientGrpc.ts"
import * as Connection from "../../src/realtime/Connection.ts"
import { Logic } from "../../src/realtime/Logic.ts"
import * as LogicServing from "../../src/realtime/LogicServing.ts"
import type { ServedLogic } from "../../src/realtime/LogicServing.ts"
import { Rooms } from "../../src/realtime/Rooms.ts"
import { nothing, TraceBorder } from "../../src/telemetry/TraceBorder.ts"
import { chatOf, session_id } from "../support/Chats.ts"
import { served } from "../support/LogicOverGrpc.ts"
import * as RecordedSpans from "../support/RecordedSpans.ts"

const session = `block/${session_id}`
const join = JSON.stringify({ type: "join", session })

/** What one client is given for its frames, and the lines that were logged meanwhile. */
const talk = (logic: Layer.Layer<Logic, Error, SecureRandom.SecureRandom>, ...frames: ReadonlyArray<string>) => {
  const lines: Array<string> = []
  const logger = Logger.make(({ cause, message }) => void lines.push(`${String(message)} ${JSON.stringify(cause)}`))
  return Effect.gen(function*() {
    const told: Array<Record<string, unknown>> = []
    const connection = yield* Connection.make({
      id: "c1",
      user: "ann",
      deliver: (frame) => void told.push(JSON.parse(frame) as Record<string, unknown>),
      drained: Effect.void,
      isGone: () => false
    })
    for (const frame of frames) yield* connection.handle(frame)
    yield* connection.close
    return { told, lines, spans: yield* RecordedSpans.all }
  }).pipe(
    Effect.provide(
      Rooms.layer({ gateway_id: "g1", address: "here" }).pipe(
        Layer.provideMerge(logic),
        Layer.provideMerge(Layer.mergeAll(
          RecordedSpans.layer,
          SecureRandom.layerWebCrypto,
          Logger.layer([logger]),
          Layer.succeed(TraceBorder, TraceBorder.of({ arrive: () => Effect.succeed(nothing) }))
        ))
      )
    )
  )
}

it.live("tells a client that logic is away, and where logic should be only to the log and the trace", () =>
  Effect.gen(function*() {
    const { lines, spans, told: [error] } = yield* talk(LogicClientGrpc.layer("127.0.0.1:1"), join)
    assert.deepInclude(error, { type: "error", code: "unavailable", session })
    assert.notMatch(JSON.stringify(error), /127\.0\.0\.1|ECONN|connect/i)
    assert.match(lines.join("\n"), /127\.0\.0\.1:1/)
    assert.match(spans.map(RecordedSpans.errorOf).join("\n"), /127\.0\.0\.1:1/)
  }))

const calm = Logic.of({
  sendMessage: () => Effect.die("nobody sends here"),
  history: (_session, after) =>
    Effect.succeed({ last_seq: 2, messages: [1, 2].filter((seq) => seq > after).map((seq) => chatOf(seq)) }),
  join: () => Effect.succeed({ last_seq: 2, version: 1 }),
  leave: () => Effect.void,
  attend: () => Effect.succeed([]),
  retire: () => Effect.void
})

const wires = {
  gRPC: (logic: Layer.Layer<ServedLogic>) => served(logic, LogicClientGrpc.layer),
  "the same process": (logic: Layer.Layer<ServedLogic>) => LogicServing.layerInProcess.pipe(Layer.provide(logic))
}

for (const [wire, layer] of Object.entries(wires)) {
  it.live(`asks logic in a span for each question, over ${wire}`, () =>
    Effect.gen(function*() {
      const logic = LogicServing.layer.pipe(Layer.provide(Layer.succeed(Logic, calm)))
      const frames = [
        JSON.stringify({ type: "join", session, after: 0 }),
        JSON.stringify({ type: "history", session, after: 1 }),
        JSON.stringify({ type: "leave", session })
      ]
      const { spans, told } = yield* talk(layer(logic), ...frames)
      assert.deepStrictEqual(told.map(({ type }) => type), ["joined", "message", "message", "history", "left"])
      const parents = new Map(spans.map((span) => [span.spanId, span]))
      const calls = spans.filter(({ kind }) => kind === "client")
      const shown = calls.map(({ attributes, name, parent }) => {
        const around = Option.isSome(parent) ? parents.get(parent.value.spanId) : undefined
        return [around?.attributes.get("ws.frame"), name, attributes.get("rpc.method")]
      })
      const asked = (frame: string, method: "Join" | "History") => [
        frame,
        `gateway.grpc.${method.toLowerCase()}`,
        wire === "gRPC" ? `wordloom.chat.v1.Logic/${method}` : undefined
      ]
      // What came meanwhile is looked for once more when the member is in.
      const expected = [asked("join", "Join"), asked("join", "History"), asked("join", "History")]
      assert.deepStrictEqual(shown, [...expected, asked("history", "History")])
      for (const span of spans) {
        assert.strictEqual(span.attributes.has("rpc.system.name"), span.kind === "client", span.name)
      }
    }))
}
