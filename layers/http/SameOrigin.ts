/**
 * Refuses what a page of another site makes a browser send: there is no log-in, so whoever's browser can reach the API
 * could otherwise be made to write to it.
 *
 * Browsers say where a request comes from, and a page cannot make them lie. What says nothing is no browser's.
 */
import { Effect } from "effect"
import { HttpRouter, HttpServerRequest } from "effect/http"
import { problemResponse } from "./ProblemResponse.ts"

const refused = problemResponse(403, "a page of another site may not change anything here")

const reads = new Set(["GET", "HEAD", "OPTIONS"])

/** `none`: the person's own doing, such as a bookmark. A page on another port of this host is another site's. */
const isForeign = ({ headers, method }: HttpServerRequest.HttpServerRequest): boolean => {
  if (reads.has(method)) return false
  const site = headers["sec-fetch-site"]
  if (site !== undefined) return site !== "same-origin" && site !== "none"
  // Older browsers send only this; `null` is a page that hides where it is from.
  const origin = headers["origin"]
  return origin !== undefined && URL.parse(origin)?.host !== headers["host"]
}

/** For the routes that it is provided to. */
export const layer = HttpRouter.middleware((httpEffect) =>
  Effect.flatMap(
    HttpServerRequest.HttpServerRequest,
    (request) => isForeign(request) ? Effect.succeed(refused) : httpEffect
  )
).layer
