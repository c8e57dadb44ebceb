/** The trace context that came with a request, a message or a row: read by the rules, counted where it breaks them. */
import { Effect } from "effect"
import { formatTraceparent, parseTraceparent, parseTracestate, type TraceContext } from "../domain/TraceContext.ts"
import { invalidContexts } from "./Metrics.ts"

/** What can bring one: the closed list of the metric's label. */
export type CarrierName = "http" | "grpc" | "nats" | "tcp" | "ws" | "outbox"

export interface Inbound {
  readonly traceparent: string | null | undefined
  readonly tracestate: string | null | undefined
}

export interface Read {
  readonly context: TraceContext | null
  /** Something was there that is not to be used. */
  readonly isInvalid: boolean
}

const saysSomething = (list: string | null | undefined) => /[^ \t,]/.test(list ?? "")

/** An invalid `tracestate` is dropped; without a valid `traceparent` it is nobody's, and a new trace begins. */
export const read = ({ traceparent: given, tracestate: list }: Inbound): Read => {
  const ids = parseTraceparent(given)
  const traceparent = ids === undefined ? undefined : formatTraceparent(ids)
  if (traceparent === undefined) return { context: null, isInvalid: given !== null && given !== undefined }
  const tracestate = parseTracestate(list)
  return { context: { traceparent, tracestate }, isInvalid: tracestate === null && saysSomething(list) }
}

export const countInvalid = (carrier: CarrierName): Effect.Effect<void> => invalidContexts.add({ carrier })

/** `read` and `countInvalid` for carriers whose senders are our own programs. */
export const receive = (carrier: CarrierName, inbound: Inbound): Effect.Effect<TraceContext | null> =>
  Effect.suspend(() => {
    const { context, isInvalid } = read(inbound)
    return isInvalid ? Effect.as(countInvalid(carrier), context) : Effect.succeed(context)
  })
