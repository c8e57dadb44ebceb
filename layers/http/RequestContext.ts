/** What a request says of itself, cleaned before it goes anywhere. */
import { Option } from "effect"
import type { Headers, HttpServerRequest } from "effect/http"
import { isRequestId } from "../../src/telemetry/CurrentRequest.ts"
import type { Caller } from "../../src/telemetry/TraceBorder.ts"

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** The caller's id where it is fit to be echoed, stored and logged; else one of ours. */
export const requestIdOf = (headers: Headers.Headers, fresh: () => string): string => {
  const given = headers["x-request-id"]
  if (given !== undefined && isRequestId(given)) return given
  const other = headers["x-dynamo-request-id"]
  return other !== undefined && uuid.test(other) ? other : fresh()
}

/** Asks for a debug trace; an answer says what was made of it. */
export const debugHeader = "x-wordloom-debug"

const loopback = /^(::ffff:)?127\.|^::1$/

/** What proxies add. Behind one on this machine everybody seems to sit here. */
const forwardings = ["forwarded", "x-forwarded-for", "x-real-ip", "via"]

export const callerOf = ({ headers, remoteAddress }: HttpServerRequest.HttpServerRequest): Caller => ({
  traceparent: headers["traceparent"],
  tracestate: headers["tracestate"],
  debug: headers[debugHeader],
  isLocal: Option.exists(remoteAddress, (address) => loopback.test(address)) &&
    forwardings.every((name) => headers[name] === undefined)
})
