/** What a process without a database tells others of kept traces, over logic; each call with a dead line. */
import { type Client, credentials, type ServiceError } from "@grpc/grpc-js"
import { Duration, Effect, Layer } from "effect"
import { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import { TraceSignals } from "../../src/telemetry/TraceSignals.ts"
import { messageMax } from "./ChatProto.ts"
import { replies, type requests, SignalsStub } from "./SignalsProto.ts"

type Method = keyof typeof requests
type Unary = (
  request: object,
  options: { readonly deadline: Date },
  done: (error: ServiceError | null, reply: unknown) => void
) => { readonly cancel: () => void }

const answerWithinMs = 2_000

const make = Effect.fnUntraced(function*(address: string) {
  const client = yield* Effect.acquireRelease(
    Effect.sync(() =>
      new SignalsStub(address, credentials.createInsecure(), { "grpc.max_receive_message_length": messageMax })
    ),
    (opened: Client) => Effect.sync(() => opened.close())
  )
  const call = <A>(method: Method, request: object, read: (reply: unknown) => A) =>
    Effect.callback<A, StoreUnavailable>((resume) => {
      const unary = (client as unknown as Record<Method, Unary>)[method].bind(client)
      const deadline = new Date(performance.timeOrigin + performance.now() + answerWithinMs)
      const going = unary(request, { deadline }, (error, reply) => {
        if (error !== null) return resume(Effect.fail(new StoreUnavailable({ cause: error })))
        try {
          resume(Effect.succeed(read(reply)))
        } catch (cause) {
          resume(Effect.fail(new StoreUnavailable({ cause })))
        }
      })
      return Effect.sync(() => going.cancel())
    })

  return TraceSignals.of({
    write: (signals) => {
      const told = signals.map(({ isFound, traceId }) => ({ trace_id: traceId, is_found: isFound }))
      return call("Write", { signals: told }, () => {})
    },
    recent: (within) =>
      call("Recent", { within_ms: Duration.toMillis(within) }, (reply) => replies.Recent(reply).trace_ids),
    claim: (spans) => {
      const wanted = spans.map(({ spanId, traceId }) => ({ trace_id: traceId, span_id: spanId }))
      return call("Claim", { spans: wanted }, (reply) => new Set(replies.Claim(reply).span_ids))
    },
    purge: (olderThan) => call("Purge", { older_than_ms: Duration.toMillis(olderThan) }, () => {})
  })
})

/** `host:port` of logic. */
export const layer = (address: string) => Layer.effect(TraceSignals, make(address))
