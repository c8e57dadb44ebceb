/**
 * Every wire on which a trace travels, and how its two values are put there and taken off again.
 *
 * What comes from outside is not believed: anything that W3C trace context calls invalid, or that is there twice, is no
 * context at all. It is counted, and the work goes on under a new root.
 */
import { Effect, Metric } from "effect"
import { parseTraceparent, parseTracestate, type TraceContext } from "../domain/TraceContext.ts"
import { invalidContexts } from "./Metrics.ts"

export type CarrierName = "http" | "grpc" | "nats" | "tcp" | "websocket" | "outbox"

/** All values under each of the two names, as they came; none where the wire had none. */
export interface Carried {
  readonly traceparent: ReadonlyArray<string>
  readonly tracestate: ReadonlyArray<string>
}

/** One wire's form of a message's headers. */
export interface Carrier<Headers> {
  readonly name: CarrierName
  readonly write: (context: TraceContext, headers: Headers) => Headers
  readonly read: (headers: Headers) => Carried
}

/** Longer is no `traceparent` of any version that we know how to read. */
const traceparentMax = 512

export type Extracted =
  | { readonly _tag: "Missing" }
  | { readonly _tag: "Invalid" }
  | { readonly _tag: "Found"; readonly context: TraceContext }

/** No IO. The context comes back as this process would write it: what a later version adds is left out. */
export const extract = ({ traceparent, tracestate }: Carried): Extracted => {
  const [value, ...others] = traceparent
  if (value === undefined) return { _tag: "Missing" }
  const ids = others.length > 0 || value.length > traceparentMax ? undefined : parseTraceparent(value)
  if (ids === undefined) return { _tag: "Invalid" }
  const flags = ids.flags.toString(16).padStart(2, "0")
  return {
    _tag: "Found",
    context: {
      traceparent: `00-${ids.traceId}-${ids.spanId}-${flags}`,
      tracestate: parseTracestate(tracestate.length === 0 ? null : tracestate.join(","))
    }
  }
}

/** What the wire carried, or nothing; an invalid one is counted under the wire's name. */
export const received = (name: CarrierName, carried: Carried): Effect.Effect<TraceContext | null> => {
  const found = extract(carried)
  return found._tag === "Found"
    ? Effect.succeed(found.context)
    : found._tag === "Missing"
    ? Effect.succeed(null)
    : Effect.as(
      Effect.ignoreCause(Metric.update(Metric.withAttributes(invalidContexts, { carrier: name }), 1)),
      null
    )
}

/** One value, several or none, as most wires have it. */
export const valuesOf = (value: string | ReadonlyArray<string> | null | undefined): ReadonlyArray<string> =>
  value === null || value === undefined ? [] : typeof value === "string" ? [value] : value

/** A record of header names in lower case: HTTP's, and those of a frame of the push protocol. */
export const record = (name: "http" | "tcp"): Carrier<Readonly<Record<string, string | undefined>>> => ({
  name,
  write: ({ traceparent, tracestate }, headers) => ({
    ...headers,
    traceparent,
    ...(tracestate === null ? {} : { tracestate })
  }),
  read: (headers) => ({
    traceparent: valuesOf(headers["traceparent"]),
    tracestate: valuesOf(headers["tracestate"])
  })
})

/** A WebSocket has headers only when it is opened, so a message carries them in its envelope. */
export const envelope: Carrier<Readonly<Record<string, unknown>>> = {
  name: "websocket",
  write: ({ traceparent, tracestate }, frame) => ({
    ...frame,
    TraceParent: traceparent,
    ...(tracestate === null ? {} : { TraceState: tracestate })
  }),
  read: (frame) => ({ traceparent: fieldOf(frame["TraceParent"]), tracestate: fieldOf(frame["TraceState"]) })
}

/** A field that is there but is no text is not missing, it is wrong. */
const fieldOf = (value: unknown): ReadonlyArray<string> =>
  value === undefined || value === null ? [] : typeof value === "string" ? [value] : [""]

/** The two columns of a row. */
export const columns: Carrier<{ readonly traceparent: string | null; readonly tracestate: string | null }> = {
  name: "outbox",
  write: (context) => context,
  read: ({ traceparent, tracestate }) => ({ traceparent: valuesOf(traceparent), tracestate: valuesOf(tracestate) })
}
