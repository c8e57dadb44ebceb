/** What a process without a database tells others of kept traces, over logic; each call with a dead line. */
import { Duration, Effect, Layer } from "effect"
import { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import { TraceSignals } from "../../src/telemetry/TraceSignals.ts"
import { messageMax } from "./ChatProto.ts"
import { replies, type requests, SignalsStub } from "./SignalsProto.ts"
import { ask, opened } from "./Unary.ts"

type Method = keyof typeof requests

const answerWithinMs = 2_000

const make = Effect.fnUntraced(function*(address: string) {
  const client = yield* opened(SignalsStub, address, { "grpc.max_receive_message_length": messageMax })
  const call = <A>(method: Method, request: object, read: (reply: unknown) => A) =>
    ask(client, { method, request, withinMs: answerWithinMs }, read).pipe(
      Effect.mapError((failed) =>
        new StoreUnavailable({ cause: "refused" in failed ? failed.refused : failed.unreadable })
      )
    )

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
