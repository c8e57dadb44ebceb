/** The route that answers what has become of a change. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { EntityId } from "../domain/Entity.ts"
import { eventKey } from "../explain/Asked.ts"
import { Explanation } from "../explain/Explanation.ts"
import { RequestId, TraceId } from "./Ids.ts"
import { BadRequest, Unavailable } from "./Problems.ts"

const maybeId = Schema.optionalKey(EntityId)

/** Exactly one of them. */
export const ExplainQuery = Schema.Struct({
  block: maybeId,
  tag: maybeId,
  library: maybeId,
  /** `<projection>/<id>` */
  event: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(eventKey, { message: "must be search/12 or the like" }))
  ),
  request_id: Schema.optionalKey(RequestId),
  trace_id: Schema.optionalKey(TraceId)
})

export const ExplainApi = HttpApiGroup.make("explain").add(
  HttpApiEndpoint.get("explain", "/api/v1/explain", {
    query: ExplainQuery.fields,
    success: Explanation,
    error: [BadRequest, Unavailable]
  })
)
