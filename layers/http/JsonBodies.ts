/**
 * Refuses a body that says that it is too long, that is not said to be JSON as it is, or that is not UTF-8: the first
 * would be waited for, and of the others decoding would make something else than what was sent.
 */
import { Effect } from "effect"
import { HttpIncomingMessage, HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { isUtf8 } from "node:buffer"
import { problemResponse } from "./ProblemResponse.ts"

const message = "must be UTF-8"
const notUtf8 = problemResponse(400, `body: ${message}`, {}, [{ path: "body", message }])
const notJson = HttpServerResponse.empty({ status: 415 })
const tooLong = HttpServerResponse.empty({ status: 413 })

const isJson = (type: string) => /^\s*application\/json\b/i.test(type)

/** For the routes that it is provided to. The body is read once: whoever decodes it gets the same bytes. */
export const layer = HttpRouter.middleware((httpEffect) =>
  Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const { headers, method } = request
    if (method !== "POST" && method !== "PATCH") return yield* httpEffect
    const { "content-encoding": encoding = "identity", "content-length": length = "0", "content-type": type } = headers
    const max = yield* HttpIncomingMessage.MaxBodySize
    if (max !== undefined && BigInt(length) > max) return tooLong
    if (encoding !== "identity") return notJson
    // What has another type is refused unread, by the contract's own decoding.
    if (type !== undefined && !isJson(type)) return yield* httpEffect
    const body = yield* Effect.orDie(request.arrayBuffer)
    if (type === undefined && body.byteLength > 0) return notJson
    return isUtf8(new Uint8Array(body)) ? yield* httpEffect : notUtf8
  })
).layer
