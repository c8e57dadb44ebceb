/**
 * Refuses a body that is not said to be JSON, and one that is not UTF-8: decoding would take the first for JSON, and
 * silently put other characters in place of what it cannot read.
 */
import { Effect } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { isUtf8 } from "node:buffer"
import { problemResponse } from "./ProblemResponse.ts"

const message = "must be UTF-8"
const notUtf8 = problemResponse(400, `body: ${message}`, {}, [{ path: "body", message }])
const notJson = HttpServerResponse.empty({ status: 415 })

/** What has another type is refused unread, by the contract's own decoding. */
const isJson = (type: string) => /^\s*application\/json\b/i.test(type)

/** For the routes that it is provided to. The body is read once: whoever decodes it gets the same bytes. */
export const layer = HttpRouter.middleware((httpEffect) =>
  Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const type = request.headers["content-type"]
    const isRead = request.method === "POST" || request.method === "PATCH"
    if (!isRead || (type !== undefined && !isJson(type))) return yield* httpEffect
    const body = yield* Effect.orDie(request.arrayBuffer)
    if (type === undefined && body.byteLength > 0) return notJson
    return isUtf8(new Uint8Array(body)) ? yield* httpEffect : notUtf8
  })
).layer
