/** Who writes to an index behind everybody's back, in the engine's own words. */
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { linesOf } from "../../layers/elasticsearch/BulkRequest.ts"
import { bigints, jsons, uuids } from "../../layers/postgres/Parameters.ts"
import type { EntityId } from "../../src/domain/Entity.ts"
import type { IndexWrite } from "../../src/search/SearchDocument.ts"

export class Vandal extends Context.Service<Vandal, {
  /** Everything is gone; the index itself may be, too. */
  readonly clear: Effect.Effect<void>
  readonly remove: (ids: ReadonlyArray<EntityId>) => Effect.Effect<void>
  readonly set: (ids: ReadonlyArray<EntityId>, fields: Readonly<Record<string, unknown>>) => Effect.Effect<void>
  /** Whole documents, as if they were new, whatever version is there. */
  readonly put: (documents: ReadonlyArray<IndexWrite>) => Effect.Effect<void>
}>()("wordloom/test/Vandal") {}

export const postgres = Layer.effect(
  Vandal,
  Effect.map(SqlClient.SqlClient, (sql) =>
    Vandal.of({
      clear: Effect.orDie(sql`truncate search_documents`),
      remove: (ids) => Effect.orDie(sql`delete from search_documents where id = any(${uuids(ids)})`),
      set: (ids, fields) =>
        Effect.orDie(sql`
          update search_documents as each set (title, tags, deleted) = (
            select title, tags, deleted from jsonb_populate_record(each, ${JSON.stringify(fields)}::jsonb)
          ) where id = any(${uuids(ids)})`),
      put: (documents) =>
        Effect.orDie(sql`
          insert into search_documents (generation, id, kind, version, revision, deleted, title, body, tag_ids, tags)
          select 1, id, said->>'kind', (said->>'version')::integer, revision, false, said#>>'{document,title}',
            said#>>'{document,body}', '{}', '{}'
          from unnest(${uuids(documents.map(({ id }) => id))}, ${bigints(documents.map(({ revision }) => revision))}, ${
          jsons(documents)
        }::jsonb[]) as new (id, revision, said)
          on conflict (generation, id) do update set version = excluded.version, revision = excluded.revision,
            title = excluded.title, body = excluded.body`)
    }))
)

/** Elasticsearch itself raises the version with each of these, unless one is given. */
export const elasticsearch = (url: string, index: string) => {
  const bulk = (lines: ReadonlyArray<string>) =>
    lines.length === 0 ? Effect.void : Effect.promise(async () => {
      const answer = await fetch(`${url}/${index}/_bulk`, {
        method: "POST",
        headers: { "content-type": "application/x-ndjson" },
        body: lines.map((line) => `${line}\n`).join("")
      })
      const { errors, items } = await answer.json() as { readonly errors: boolean; readonly items: unknown }
      if (errors) throw new Error(JSON.stringify(items).slice(0, 1_000))
    })
  return Layer.succeed(Vandal, {
    clear: Effect.promise(() => fetch(`${url}/${index}-000001`, { method: "DELETE" })),
    remove: (ids) => bulk(ids.map((_id) => JSON.stringify({ delete: { _id } }))),
    set: (ids, doc) => bulk(ids.flatMap((_id) => [JSON.stringify({ update: { _id } }), JSON.stringify({ doc })])),
    put: (documents) =>
      bulk(documents.flatMap((one) => {
        const given = one.revision > one.version ? { version: one.revision, version_type: "external" } : {}
        return [JSON.stringify({ index: { _id: one.id, ...given } }), linesOf(one, 0).split("\n")[1]!]
      }))
  })
}
