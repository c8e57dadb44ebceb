/** Turns a request that does not fit the contract into a 400 that names each field and what is allowed. */
import { Effect, SchemaIssue } from "effect"
import { type HttpApiError, HttpApiMiddleware } from "effect/http-api"
import { excerpt } from "../domain/Text.ts"
import { BadRequest } from "./Problems.ts"

export class RequestSchema extends HttpApiMiddleware.Service<RequestSchema>()("wordloom/api/RequestSchema", {
  error: BadRequest
}) {}

/** More would not help whoever reads them. */
const errorsMax = 20
/** A field's name may be the caller's own, as long as a body can be. */
const pathMax = 200

const format = SchemaIssue.makeFormatterStandardSchemaV1()

const segment = (part: PropertyKey | { readonly key: PropertyKey }) =>
  String(typeof part === "object" ? part.key : part)

/** The library's words for the two commonest mistakes say little to who made them. */
const clearer: Readonly<Record<string, string>> = {
  "Expected no excess property": "is not a known field",
  "Missing key": "is required"
}

const problemOf = (error: HttpApiError.HttpApiSchemaError) => {
  const errors = format(error.cause.issue).issues.slice(0, errorsMax).map(({ message, path = [] }) => ({
    path: excerpt(path.map(segment).join("."), pathMax) ||
      (error.kind === "Payload" ? "body" : error.kind.toLowerCase()),
    message: excerpt(clearer[message] ?? message, pathMax)
  }))
  const detail = errors.map(({ message, path }) => `${path}: ${message}`).join("; ")
  return new BadRequest({ detail: excerpt(detail, 500), errors })
}

export const layer = HttpApiMiddleware.layerSchemaErrorTransform(RequestSchema, (error) =>
  // An answer of ours that does not fit its own schema is a bug, not the caller's.
  error.kind === "Body" || error.kind === "ResponseHeaders" ? Effect.die(error) : Effect.fail(problemOf(error)))
