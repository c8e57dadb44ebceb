/** Errors as they go over the wire: `application/problem+json` (RFC 9457), one class per status. */
import { Schema } from "effect"
import { HttpApiError } from "effect/http-api"

export const FieldError = Schema.Struct({ path: Schema.String, message: Schema.String })
export type FieldError = typeof FieldError.Type

/** Filled in at the edge, where the answer leaves. */
const request = { request_id: Schema.optionalKey(Schema.String), trace_id: Schema.optionalKey(Schema.String) }

const blank = "about:blank"

/** `errors` names each field that does not fit and what is allowed. */
export class BadRequest extends HttpApiError.Problem<BadRequest>()("BadRequest", {
  type: blank,
  status: 400,
  title: "Bad Request"
}, { ...request, errors: Schema.optionalKey(Schema.Array(FieldError)) }) {}

export class NotFound extends HttpApiError.Problem<NotFound>()("NotFound", {
  type: blank,
  status: 404,
  title: "Not Found"
}, request) {}

export class Conflict extends HttpApiError.Problem<Conflict>()("Conflict", {
  type: blank,
  status: 409,
  title: "Conflict"
}, request) {}

export class PreconditionFailed extends HttpApiError.Problem<PreconditionFailed>()("PreconditionFailed", {
  type: blank,
  status: 412,
  title: "Precondition Failed"
}, request) {}

/** Answered with `Retry-After`; nothing was written. */
export class Unavailable extends HttpApiError.Problem<Unavailable>()("Unavailable", {
  type: blank,
  status: 503,
  title: "Service Unavailable"
}, request) {}

export const badField = (path: string, message: string) =>
  new BadRequest({ detail: `${path} ${message}`, errors: [{ path, message }] })
