/** Answers the routes of tags, libraries and blocks: decode, one call, encode. */
import { Effect, Layer, Schema } from "effect"
import { HttpApiBuilder, HttpApiSchema } from "effect/http-api"
import type { Waited } from "../../src/api/EntityApi.ts"
import { waitOf } from "../../src/api/Prefer.ts"
import { WordloomApi } from "../../src/api/WordloomApi.ts"
import { Catalog } from "../../src/catalog/Catalog.ts"
import {
  type EntityId,
  type EntityKind,
  type EntityOf,
  entityOf,
  type FieldsOf,
  Version
} from "../../src/domain/Entity.ts"
import { limitDefault } from "../../src/domain/Paging.ts"
import { Idempotency } from "../../src/idempotency/Idempotency.ts"
import { Visibility } from "../../src/search/Visibility.ts"
import { atMost } from "./Deadline.ts"
import { orProblem } from "./ProblemOf.ts"

interface WriteHeaders {
  readonly "idempotency-key"?: string
  readonly "if-match"?: string
  readonly "prefer"?: string
}

const paths = { tag: "tags", library: "libraries", block: "blocks" } as const

const etagOf = (entity: { readonly version: number }) => `"${entity.version}"`

/** `*` asks only that it exists, which every change asks anyway; a weak tag of ours names the same version. */
const expectedOf = (header: string | undefined): number | undefined =>
  header === undefined || header === "*" ? undefined : Number(header.replace(/^W\//, "").slice(1, -1))

/** Answers that were remembered before removals told their version are `null`. */
const Removed = Schema.NullOr(Version)
/** Above every version that an entity can have had. */
const anyVersion = 2_147_483_647

const codecs = {
  tag: Schema.toCodecJson(entityOf.tag),
  library: Schema.toCodecJson(entityOf.library),
  block: Schema.toCodecJson(entityOf.block)
}
const codecOf = <K extends EntityKind>(kind: K) => codecs[kind] as unknown as Schema.Codec<EntityOf[K], unknown>

const handlers = <K extends EntityKind>(kind: K) =>
  Effect.gen(function*() {
    const catalog = yield* Catalog
    const idempotency = yield* Idempotency
    const visibility = yield* Visibility

    const request = (headers: WriteHeaders, ...said: ReadonlyArray<unknown>) => ({
      key: headers["idempotency-key"],
      said: JSON.stringify([kind, ...said, headers["if-match"] ?? null])
    })
    /** The write is committed: whatever becomes of the wait, its answer stands. */
    const waited = Effect.fnUntraced(function*({ prefer }: WriteHeaders, id: EntityId, version: number) {
      const wait = waitOf(prefer)
      if (wait === undefined) return {} satisfies Waited
      const visible = yield* visibility.await(id, version, yield* atMost(wait))
      return { "preference-applied": "wait", "x-search-visible": visible ? "true" : "false" } satisfies Waited
    })
    const tagged = (entity: EntityOf[K], more: Waited = {}) =>
      HttpApiSchema.withHeaders({ body: entity, headers: { etag: etagOf(entity), ...more } })

    return {
      create: ({ headers, payload }: { readonly headers: WriteHeaders; readonly payload: FieldsOf[K] }) =>
        idempotency.once(request(headers, "create", payload), codecOf(kind), catalog.create(kind, payload)).pipe(
          orProblem,
          Effect.flatMap((entity) =>
            Effect.map(waited(headers, entity.id, entity.version), (more) =>
              HttpApiSchema.withHeaders({
                body: entity,
                headers: { etag: etagOf(entity), location: `/api/v1/${paths[kind]}/${entity.id}`, ...more }
              }))
          )
        ),
      list: ({ query }: { readonly query: { readonly limit?: number; readonly cursor?: EntityId } }) =>
        orProblem(catalog.list(kind, query.limit ?? limitDefault, query.cursor)),
      get: ({ params }: { readonly params: { readonly id: EntityId } }) =>
        Effect.map(orProblem(catalog.get(kind, params.id)), (entity) => tagged(entity)),
      change: ({ headers, params, payload }: {
        readonly headers: WriteHeaders
        readonly params: { readonly id: EntityId }
        readonly payload: Partial<FieldsOf[K]>
      }) =>
        idempotency.once(
          request(headers, "change", params.id, payload),
          codecOf(kind),
          catalog.change(kind, params.id, payload, expectedOf(headers["if-match"]))
        ).pipe(
          orProblem,
          Effect.flatMap((entity) =>
            Effect.map(waited(headers, entity.id, entity.version), (more) => tagged(entity, more))
          )
        ),
      remove: ({ headers, params }: { readonly headers: WriteHeaders; readonly params: { readonly id: EntityId } }) =>
        idempotency.once(
          request(headers, "remove", params.id),
          Removed,
          catalog.remove(kind, params.id, expectedOf(headers["if-match"]))
        ).pipe(
          orProblem,
          Effect.flatMap((version) => waited(headers, params.id, version ?? anyVersion)),
          Effect.map((more) => HttpApiSchema.withHeaders({ body: undefined, headers: more }))
        )
    }
  })

export const layer = Layer.mergeAll(
  HttpApiBuilder.group(WordloomApi, "tags", (build) => Effect.map(handlers("tag"), (all) => build.handleAll(all))),
  HttpApiBuilder.group(
    WordloomApi,
    "libraries",
    (build) => Effect.map(handlers("library"), (all) => build.handleAll(all))
  ),
  HttpApiBuilder.group(WordloomApi, "blocks", (build) => Effect.map(handlers("block"), (all) => build.handleAll(all)))
)
