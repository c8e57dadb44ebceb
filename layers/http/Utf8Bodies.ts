/** Refuses a body that is not UTF-8: decoding would silently put other characters in place of what it cannot read. */
import { Effect } from "effect"
import { HttpRouter, HttpServerRequest } from "effect/http"
import { isUtf8 } from "node:buffer"
import { problemResponse } from "./ProblemResponse.ts"

const message = "must be UTF-8"
const refused = problemResponse(400, `body: ${message}`, {}, [{ path: "body", message }])

/** What has another type is refused unread, by the contract's own decoding. */
const carriesJson = ({ headers, method }: HttpServerRequest.HttpServerRequest) =>
  (method === "POST" || method === "PATCH") &&
  /^\s*application\/json\b/i.test(headers["content-type"] ?? "application/json")

/** For the routes that it is provided to. The body is read once: whoever decodes it gets the same bytes. */
export const layer = HttpRouter.middleware((httpEffect) =>
  Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    if (!carriesJson(request)) return yield* httpEffect
    const body = yield* Effect.orDie(request.arrayBuffer)
    return isUtf8(new Uint8Array(body)) ? yield* httpEffect : refused
  })
).layer
