/** Every error leaves as `application/problem+json` with the ids that lead to its log lines and its trace. */
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import type { FieldError } from "../../src/api/Problems.ts"

const titles: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  500: "Internal Server Error",
  503: "Service Unavailable"
}

const details: Readonly<Record<number, string>> = {
  400: "the request could not be read",
  413: "the body is larger than 256 KiB",
  415: "the body must be application/json",
  500: "something went wrong here; the log tells more under this request_id"
}

const contentType = "application/problem+json"
/** Seconds; a database that restarts is back by then. */
const retryAfter = "2"

export const problemResponse = (
  status: number,
  detail: string,
  headers: Record<string, string> = {},
  errors?: ReadonlyArray<FieldError>
) =>
  HttpServerResponse.jsonUnsafe(
    {
      type: "about:blank",
      status,
      title: titles[status] ?? "Error",
      detail,
      ...(errors === undefined ? {} : { errors })
    },
    { status, contentType, headers }
  )

const decoder = new TextDecoder()

const bodyOf = (response: HttpServerResponse.HttpServerResponse): Record<string, unknown> => {
  const { body } = response
  const isProblem = response.headers["content-type"]?.startsWith(contentType) === true
  return isProblem && body._tag === "Uint8Array"
    ? JSON.parse(decoder.decode(body.body)) as Record<string, unknown>
    : {
      type: "about:blank",
      status: response.status,
      title: titles[response.status] ?? "Error",
      detail: details[response.status] ?? titles[response.status] ?? "Error"
    }
}

/** An error's answer, completed; any other as it is. */
export const withRequest = (
  response: HttpServerResponse.HttpServerResponse,
  requestId: string,
  traceId: string | undefined
): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
  Effect.sync(() => {
    // A probe that fails says why in a shape of its own.
    if (response.status < 400 || response.headers["content-type"] === "application/json") return response
    const body = { ...bodyOf(response), request_id: requestId, ...(traceId === undefined ? {} : { trace_id: traceId }) }
    const allow = response.headers["allow"]
    return HttpServerResponse.jsonUnsafe(body, {
      status: response.status,
      contentType,
      headers: {
        ...(allow === undefined ? {} : { allow }),
        // What is left of the body is not read, so nothing else can follow on this connection.
        ...(response.status === 413 ? { connection: "close" } : {}),
        ...(response.status === 503 ? { "retry-after": retryAfter } : {})
      }
    })
  })
