/** What a server span says of its request, by semantic conventions 1.44 and by the contract's older names. */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type { HttpServerRequest } from "effect/http"
import type { IncomingMessage } from "node:http"

/** A method that nobody knows has no name either. */
export const spanName = ({ method, route }: { readonly method: string; readonly route: string | undefined }) =>
  route !== undefined ? `${method} ${route}` : method === "other" ? "HTTP" : method

/** Of the connection, not of headers: what a caller says of our address would be as manifold as callers are. */
const connectionOf = (request: HttpServerRequest.HttpServerRequest) => {
  // Another server than Node's has none of these.
  const { httpVersion, socket } = NodeHttpServerRequest.toIncomingMessage(request) as Partial<IncomingMessage>
  const { localAddress, localPort } = socket ?? {}
  return {
    "url.scheme": "http",
    ...(httpVersion === undefined ? {} : { "network.protocol.version": httpVersion }),
    ...(localAddress === undefined ? {} : { "server.address": localAddress.replace(/^::ffff:/, "") }),
    ...(localPort === undefined ? {} : { "server.port": localPort })
  }
}

/**
 * No path but a route's own, no query, no user agent: contract §5 keeps attributes to few values, and what callers
 * send is in the log at most. `route` is `undefined` for what is no route of ours.
 */
export const serverAttributes = (
  request: HttpServerRequest.HttpServerRequest,
  { method, requestId, route }: {
    readonly method: string
    readonly route: string | undefined
    readonly requestId: string
  }
) => ({
  step: "api",
  "http.request.method": method === "other" ? "_OTHER" : method,
  "http.method": method,
  ...(route === undefined ? {} : { "http.route": route, "url.path": route }),
  ...connectionOf(request),
  request_id: requestId,
  x_request_id: requestId
})
