/** What goes with a stage's payload over every wire: whose request it is, of which trace, and how long it may take. */
import { Clock, Context, Duration, Effect } from "effect"
import { received, record } from "../telemetry/Carriers.ts"
import { CurrentRequest, isRequestId } from "../telemetry/CurrentRequest.ts"
import { outbound, TraceCarrier } from "../telemetry/TraceCarrier.ts"
import type { Wire } from "./RequestPlane.ts"

const carried = record("http")

export type Headers = Readonly<Record<string, string | undefined>>

/** Milliseconds that are left: clocks of two machines differ, a duration does not. */
const timeLeft = "x-timeout-ms"

/** The longest that a stage may be asked to work, whatever the caller says. */
const stageMax = Duration.seconds(30)

/** By when the search must be answered, in the nanoseconds of Effect's clock. */
export const AnswerBy = Context.Reference<bigint | undefined>("wordloom/plane/AnswerBy", {
  defaultValue: () => undefined
})

/** What is left for the next stage; nothing is left once it is over. */
export const left = Effect.gen(function*() {
  const answerBy = yield* AnswerBy
  if (answerBy === undefined) return stageMax
  const rest = Duration.nanos(answerBy - (yield* Clock.currentTimeNanos))
  return Duration.max(Duration.zero, Duration.min(stageMax, rest))
})

/** Of the current span and request. */
export const outgoing = Effect.gen(function*() {
  const { requestId } = yield* CurrentRequest
  return {
    [timeLeft]: String(Math.ceil(Duration.toMillis(yield* left))),
    ...(requestId === null ? {} : { "x-request-id": requestId }),
    ...(yield* outbound)
  }
})

/** Whatever is damaged counts as absent: a stage answers in any case. A damaged trace is counted as the wire's. */
export const incoming = Effect.fnUntraced(function*(wire: Exclude<Wire, "inproc">, headers: Headers) {
  const carrier = yield* TraceCarrier
  const context = yield* received(wire, carried.read(headers))
  const given = headers["x-request-id"]
  const asked = headers[timeLeft] ?? ""
  return {
    requestId: given !== undefined && isRequestId(given) ? given : null,
    within: /^\d{1,6}$/.test(asked) ? Duration.min(stageMax, Duration.millis(Number(asked))) : stageMax,
    parent: context === null ? undefined : carrier.extract(context)
  }
})
