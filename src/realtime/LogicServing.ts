/** Logic as it is served: each question in a span of the server's own, below the one who asks. */
import { Context, Effect, Layer } from "effect"
import type { TraceContext } from "../domain/TraceContext.ts"
import { withoutStack } from "../telemetry/Spans.ts"
import { TraceCarrier } from "../telemetry/TraceCarrier.ts"
import { annotateQuestion } from "./Asking.ts"
import { Logic } from "./Logic.ts"

/** What the wire carried of the asker's trace. */
export const Incoming = Context.Reference<{ readonly trace: TraceContext | null }>(
  "wordloom/realtime/LogicServing/Incoming",
  {
    defaultValue: () => ({ trace: null })
  }
)

export class ServedLogic
  extends Context.Service<ServedLogic, Logic["Service"]>()("wordloom/realtime/LogicServing/ServedLogic")
{}

const asked = <A, E, R>(method: string, attributes: Record<string, unknown>, work: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const { trace } = yield* Incoming
    const parent = (yield* TraceCarrier).extract(trace)
    return yield* work.pipe(Effect.withSpan(`logic.chat.${method}`, {
      kind: "server",
      ...(parent === undefined ? { root: true } : { parent }),
      attributes
    }, withoutStack))
  })

/** A gateway's word that it is there, every few seconds, is nobody's request. */
const quiet = <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.withTracerEnabled(work, false)

/** Whoever asks, the spans are of the service that the layer was made in. */
export const layer = Layer.effect(
  ServedLogic,
  Effect.gen(function*() {
    const logic = yield* Logic
    const server = yield* Effect.context()
    const served = <A, E>(method: string, attributes: Record<string, unknown>, work: Effect.Effect<A, E>) =>
      Effect.provideContext(asked(method, attributes, work), server)
    return ServedLogic.of({
      sendMessage: (chat) =>
        served("send_message", { session_id: chat.session_id, from_user: chat.from_user }, logic.sendMessage(chat)),
      history: (session, after, limit) =>
        served("history", { session_id: session, after }, logic.history(session, after, limit)),
      join: (ref, gateway) =>
        served("join", { session_id: ref.id, gateway_id: gateway.gateway_id }, logic.join(ref, gateway)),
      leave: (gatewayId, session) => quiet(logic.leave(gatewayId, session)),
      attend: (gateway, sessions) => quiet(logic.attend(gateway, sessions)),
      retire: (gatewayId) => quiet(logic.retire(gatewayId))
    })
  })
)

/** Without a wire: whoever asks is in the same process, but in another service's trace. */
export const layerInProcess = Layer.effect(
  Logic,
  Effect.gen(function*() {
    const logic = yield* ServedLogic
    const asked = <A, E>(question: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.gen(function*() {
        const span = yield* Effect.option(Effect.currentSpan)
        const trace = span._tag === "Some" ? (yield* TraceCarrier).inject(span.value) : undefined
        yield* annotateQuestion({ "rpc.system.name": "in_process" })
        return yield* Effect.provideService(question, Incoming, { trace: trace ?? null })
      })
    return Logic.of({
      sendMessage: (chat) => asked(logic.sendMessage(chat)),
      history: (session, after, limit) => asked(logic.history(session, after, limit)),
      join: (ref, gateway) => asked(logic.join(ref, gateway)),
      leave: (gatewayId, session) => asked(logic.leave(gatewayId, session)),
      attend: (gateway, sessions) => asked(logic.attend(gateway, sessions)),
      retire: (gatewayId) => asked(logic.retire(gatewayId))
    })
  })
)
