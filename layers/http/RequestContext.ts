/** What a request says of itself, cleaned before it goes anywhere. */
import type { Headers } from "effect/http"
import { parseTraceparent, parseTracestate, type TraceContext } from "../../src/domain/TraceContext.ts"
import { isRequestId } from "../../src/telemetry/CurrentRequest.ts"

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** The caller's id where it is fit to be echoed, stored and logged; else one of ours. */
export const requestIdOf = (headers: Headers.Headers, fresh: () => string): string => {
  const given = headers["x-request-id"]
  if (given !== undefined && isRequestId(given)) return given
  const other = headers["x-dynamo-request-id"]
  return other !== undefined && uuid.test(other) ? other : fresh()
}

/** `null` for no usable `traceparent`: then a new trace begins, and `tracestate` is nobody's. */
export const traceContextOf = (headers: Headers.Headers): TraceContext | null => {
  const traceparent = headers["traceparent"]
  return parseTraceparent(traceparent) === undefined
    ? null
    : { traceparent: traceparent!, tracestate: parseTracestate(headers["tracestate"]) }
}
