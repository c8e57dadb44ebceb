/** What a client is told when its frame is not done, and what is left for those who mend it. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { SecureRandom } from "effect/crypto"
import * as LogicClientGrpc from "../../layers/grpc/LogicClientGrpc.ts"
import * as Connection from "../../src/realtime/Connection.ts"
import type { Logic } from "../../src/realtime/Logic.ts"
import { Rooms } from "../../src/realtime/Rooms.ts"
import { nothing, TraceBorder } from "../../src/telemetry/TraceBorder.ts"
import { session_id } from "../support/Chats.ts"
import * as RecordedSpans from "../support/RecordedSpans.ts"

const session = `block/${session_id}`
const join = JSON.stringify({ type: "join", session })

/** What one client is given for its frames, and the lines that were logged meanwhile. */
const talk = (logic: Layer.Layer<Logic>, ...frames: ReadonlyArray<string>) => {
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
    return { told, lines, spans: yield* RecordedSpans.all }
  }).pipe(
    Effect.provide(Rooms.layer({ gateway_id: "g1", address: "here" })),
    Effect.provide([
      logic,
      RecordedSpans.layer,
      SecureRandom.layerWebCrypto,
      Logger.layer([logger]),
      Layer.succeed(TraceBorder, TraceBorder.of({ arrive: () => Effect.succeed(nothing) }))
    ])
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
