/** The routes of the three kinds of entity: the same for each, over its own fields. */
import { Effect, Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { Block, BlockFields, EntityId, Library, LibraryFields, Tag, TagFields } from "../domain/Entity.ts"
import { Limit } from "../domain/Paging.ts"
import { BadRequest, Conflict, NotFound, PreconditionFailed, Unavailable } from "./Problems.ts"
import { changeHeaders, writeHeaders } from "./WriteHeaders.ts"

const paging = {
  limit: Schema.optionalKey(Limit),
  cursor: Schema.optionalKey(EntityId)
}

/** Of a write that was asked to wait. */
const waited = {
  "preference-applied": Schema.optionalKey(
    Schema.Literal("wait").annotate({
      description: "The write was asked to wait until searches find it."
    })
  ),
  "x-search-visible": Schema.optionalKey(
    Schema.Literals(["true", "false"]).annotate({
      description: "Whether searches find it now. The write itself is done in either case."
    })
  )
}
export type Waited = Schema.Schema.Type<Schema.Struct<typeof waited>>

const etag = { etag: Schema.String }
const located = { ...etag, location: Schema.String, ...waited }

const refused = [BadRequest, NotFound, Conflict, Unavailable] as const
const changeRefused = [BadRequest, NotFound, Conflict, PreconditionFailed, Unavailable] as const

/** At least one field; a field that is left out stays as it is. */
const patchOf = <F extends Schema.Struct.Fields>(fields: Schema.Struct<F>) =>
  fields.mapFields((all) =>
    Object.fromEntries(Object.entries(all).map(([key, field]) => [key, Schema.optionalKey(field as Schema.Top)])) as {
      readonly [K in keyof F]: Schema.optionalKey<F[K] & Schema.Top>
    }
  )

const group = <
  const Name extends string,
  E extends Schema.Top,
  C extends Schema.Top,
  P extends Schema.Top
>(name: Name, entity: E, create: C, patch: P) =>
  HttpApiGroup.make(name).add(
    HttpApiEndpoint.post("create", "/", {
      payload: create,
      headers: writeHeaders,
      success: HttpApiSchema.WithHeaders(entity.pipe(HttpApiSchema.status(201)), located),
      error: refused
    }),
    HttpApiEndpoint.get("list", "/", {
      query: paging,
      success: Schema.Struct({ items: Schema.Array(entity), next_cursor: Schema.NullOr(Schema.String) }),
      error: [BadRequest, Unavailable]
    }),
    HttpApiEndpoint.get("get", "/:id", {
      params: { id: EntityId },
      success: HttpApiSchema.WithHeaders(entity, etag),
      error: [BadRequest, NotFound, Unavailable]
    }),
    HttpApiEndpoint.patch("change", "/:id", {
      params: { id: EntityId },
      headers: changeHeaders,
      payload: patch,
      success: HttpApiSchema.WithHeaders(entity, { ...etag, ...waited }),
      error: changeRefused
    }),
    HttpApiEndpoint.delete("remove", "/:id", {
      params: { id: EntityId },
      headers: changeHeaders,
      success: HttpApiSchema.WithHeaders(HttpApiSchema.NoContent, waited),
      error: changeRefused
    })
  ).prefix(`/api/v1/${name}`)

const notEmpty = Schema.isMinProperties(1, { message: "must have at least one field to change" })

export const TagsApi = group("tags", Tag, TagFields, patchOf(TagFields).check(notEmpty))
export const LibrariesApi = group("libraries", Library, LibraryFields, patchOf(LibraryFields).check(notEmpty))
export const BlocksApi = group(
  "blocks",
  Block,
  BlockFields.mapFields((fields) => ({
    ...fields,
    tag_ids: fields.tag_ids.pipe(Schema.withDecodingDefaultKey(Effect.succeed([])))
  })),
  patchOf(BlockFields).check(notEmpty)
)
