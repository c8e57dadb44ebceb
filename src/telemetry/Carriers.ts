/**
 * Every wire on which a trace travels, and how its two values are put there and taken off again.
 *
 * What comes from outside is not believed: what breaks the rules, or is there twice, is no context at all. It is
 * counted, and the work goes on under a new root.
 */
import { type Effect } from "effect"
import type { TraceContext } from "../domain/TraceContext.ts"
import { type CarrierName, read, receive } from "./InboundContext.ts"

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

/** What could only be one value is one, or else nothing that can be read. */
const inboundOf = ({ traceparent, tracestate }: Carried) => {
  const [value] = traceparent
  const isOne = traceparent.length < 2 && (value ?? "").length <= traceparentMax
  return { traceparent: isOne ? value : "", tracestate: tracestate.length === 0 ? undefined : tracestate.join(",") }
}

/** No IO; `null` for what is missing or breaks the rules. */
export const extract = (carried: Carried): TraceContext | null => read(inboundOf(carried)).context

/** The same, and what breaks the rules is counted under the wire's name. */
export const received = (name: CarrierName, carried: Carried): Effect.Effect<TraceContext | null> =>
  receive(name, inboundOf(carried))

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
  name: "ws",
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
