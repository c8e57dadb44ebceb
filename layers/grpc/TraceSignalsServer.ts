/** Kept traces' signals for processes without a database, served beside logic. */
import { type sendUnaryData, type ServerUnaryCall, status } from "@grpc/grpc-js"
import { Cause, Duration, Effect, type Fiber, Result, Schema } from "effect"
import type { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import type { TraceSignals } from "../../src/telemetry/TraceSignals.ts"
import { requests } from "./SignalsProto.ts"

type Method = keyof typeof requests
type RequestOf<M extends Method> = (typeof requests)[M]["Type"]
type Handlers = {
  readonly [M in Method]: (request: RequestOf<M>) => Effect.Effect<object, StoreUnavailable>
}

const handlersOf = ({ claim, purge, recent, write }: TraceSignals["Service"]): Handlers => ({
  Write: ({ signals }) =>
    Effect.as(write(signals.map(({ is_found, trace_id }) => ({ traceId: trace_id, isFound: is_found }))), {}),
  Recent: ({ within_ms }) => Effect.map(recent(Duration.millis(within_ms)), (trace_ids) => ({ trace_ids })),
  Claim: ({ spans }) =>
    Effect.map(claim(spans.map(({ span_id, trace_id }) => ({ traceId: trace_id, spanId: span_id }))), (claimed) => ({
      span_ids: [...claimed]
    })),
  Purge: ({ older_than_ms }) => Effect.as(purge(Duration.millis(older_than_ms)), {})
})

const refusal = (code: status, details: string) => ({ code, details })

/** The methods as a server takes them. */
export const implementation = (
  signals: TraceSignals["Service"],
  run: (work: Effect.Effect<void>) => Fiber.Fiber<void>
) => {
  const handlers = handlersOf(signals)
  const handled =
    <M extends Method>(method: M, handler: Handlers[M]) =>
    (call: ServerUnaryCall<unknown, unknown>, reply: sendUnaryData<unknown>) => {
      const decoded = Schema.decodeUnknownResult(requests[method])(call.request)
      if (Result.isFailure(decoded)) {
        return reply(refusal(status.INVALID_ARGUMENT, decoded.failure.message.slice(0, 512)))
      }
      const answered = Effect.match(handler(decoded.success), {
        onSuccess: (value) => reply(null, value),
        onFailure: ({ message }) => reply(refusal(status.UNAVAILABLE, message))
      }).pipe(
        Effect.catchDefect((defect) =>
          Effect.andThen(
            Effect.logError("a call broke", { method }, Cause.die(defect)),
            Effect.sync(() => reply(refusal(status.INTERNAL, "an unexpected error")))
          )
        ),
        Effect.withTracerEnabled(false)
      )
      const fiber = run(answered)
      call.on("cancelled", () => fiber.interruptUnsafe())
    }
  return Object.fromEntries(
    (Object.keys(requests) as Array<Method>).map((method) => [method, handled(method, handlers[method] as never)])
  )
}
