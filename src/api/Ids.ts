/** Ids of requests and traces as callers give them. */
import { Schema } from "effect"
import { requestIdShape, traceIdShape } from "../explain/Asked.ts"

export const RequestId = Schema.String.check(
  Schema.isPattern(requestIdShape, { message: "must be 1 to 64 letters, digits, '.', '_' or '-'" })
)
export const TraceId = Schema.String.check(
  Schema.isPattern(traceIdShape, { message: "must be 32 lower-case hex digits" })
)
