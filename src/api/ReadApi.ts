/** The routes that only look: search, chronicle and outbox; and those by which people steer the outboxes. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { ChronicleEntry } from "../chronicle/Chronicle.ts"
import { EntityId, EntityKind } from "../domain/Entity.ts"
import { Instant } from "../domain/Instant.ts"
import { Limit } from "../domain/Paging.ts"
import { storable, text } from "../domain/Text.ts"
import { Overview } from "../outbox/OutboxOverview.ts"
import { DeadGroup, OutboxEvent, Status } from "../outbox/OutboxReport.ts"
import { Projection } from "../outbox/Projection.ts"
import { PauseReason, ProjectionControlled, ProjectionStatus } from "../outbox/ProjectionStatus.ts"
import { SearchHit } from "../search/SearchIndex.ts"
import { queryMax } from "../search/SearchQuery.ts"
import { TraceId } from "./Ids.ts"
import { BadRequest, Conflict, NotFound, Unavailable } from "./Problems.ts"
import { steerHeaders as headers } from "./WriteHeaders.ts"

const Cursor = Schema.String.check(Schema.isMaxLength(1_024))
const paging = { limit: Schema.optionalKey(Limit), cursor: Schema.optionalKey(Cursor) }
const pageOf = <S extends Schema.Top>(item: S) =>
  Schema.Struct({ items: Schema.Array(item), next_cursor: Schema.NullOr(Schema.String) })

export const SearchApi = HttpApiGroup.make("search").add(
  HttpApiEndpoint.get("find", "/api/v1/search", {
    query: {
      q: Schema.String.check(Schema.isBetweenLength(1, queryMax), storable),
      kind: Schema.optionalKey(EntityKind),
      library_id: Schema.optionalKey(EntityId),
      /** A tag's id or its name. */
      tag: Schema.optionalKey(text(1, 200)),
      ...paging
    },
    success: Schema.Struct({ ...pageOf(SearchHit).fields, engine: Schema.Literals(["postgres", "elasticsearch"]) }),
    error: [BadRequest, Unavailable]
  })
)

export const ChronicleApi = HttpApiGroup.make("chronicle").add(
  HttpApiEndpoint.get("read", "/api/v1/chronicle", {
    query: { entity_type: Schema.optionalKey(EntityKind), entity_id: Schema.optionalKey(EntityId), ...paging },
    success: pageOf(ChronicleEntry),
    error: [BadRequest, Unavailable]
  })
)

const ErrorType = Schema.String.check(
  Schema.isPattern(/^\w{1,64}$/, { message: "must be 1 to 64 letters, digits or '_'" })
)

const Replayed = Schema.Struct({ replayed: Schema.Int }).pipe(HttpApiSchema.status(202))
const LiveEvent = Schema.Union([
  Schema.Struct({
    event: Schema.Literal("overview"),
    data: Schema.fromJsonString(Schema.toCodecJson(Overview))
  }),
  Schema.Struct({
    event: Schema.Literal("unavailable"),
    data: Schema.Literal("the database does not answer")
  })
])

export const OutboxApi = HttpApiGroup.make("outbox").add(
  HttpApiEndpoint.get("stats", "/stats", {
    success: Schema.Struct({ projections: Schema.Array(ProjectionStatus) }),
    error: Unavailable
  }),
  HttpApiEndpoint.get("events", "/events", {
    query: {
      projection: Schema.optionalKey(Projection),
      status: Schema.optionalKey(Status),
      entity_id: Schema.optionalKey(EntityId),
      trace_id: Schema.optionalKey(TraceId),
      error_type: Schema.optionalKey(ErrorType),
      ...paging
    },
    success: pageOf(OutboxEvent),
    error: [BadRequest, Unavailable]
  }),
  HttpApiEndpoint.get("overview", "/overview", { success: Overview, error: Unavailable }),
  /** Server-sent events, at once and each second: `overview`, or `unavailable` while the database does not answer. */
  HttpApiEndpoint.get("live", "/live", {
    success: HttpApiSchema.StreamSse({ events: LiveEvent }),
    error: Unavailable
  }),
  HttpApiEndpoint.get("deadLetters", "/dead-letters", {
    success: Schema.Struct({
      groups: Schema.Array(DeadGroup),
      /** How many of each outbox were looked at, the newest. */
      sample: Schema.Int
    }),
    error: Unavailable
  }),
  HttpApiEndpoint.post("replayOne", "/events/:projection/:id/replay", {
    params: {
      projection: Projection,
      id: Schema.NumberFromString.check(
        Schema.isInt(),
        Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
      )
    },
    headers,
    success: Replayed,
    error: [BadRequest, NotFound, Conflict, Unavailable]
  }),
  HttpApiEndpoint.post("replay", "/replay", {
    headers,
    payload: Schema.Struct({
      projection: Projection,
      status: Schema.optionalKey(Schema.Literals(["dead", "done"])),
      error_type: Schema.optionalKey(ErrorType),
      after: Schema.optionalKey(Instant),
      before: Schema.optionalKey(Instant)
    }),
    success: Replayed,
    error: [BadRequest, Conflict, Unavailable]
  }),
  HttpApiEndpoint.post("pause", "/:projection/pause", {
    params: { projection: Projection },
    headers,
    // Without a body as well: a reason is a courtesy.
    payload: [Schema.Struct({ reason: Schema.optionalKey(PauseReason) }), Schema.Null],
    success: ProjectionControlled,
    error: [BadRequest, Conflict, Unavailable]
  }),
  HttpApiEndpoint.post("resume", "/:projection/resume", {
    params: { projection: Projection },
    headers,
    success: ProjectionControlled,
    error: [BadRequest, Conflict, Unavailable]
  })
).prefix("/api/v1/outbox")
