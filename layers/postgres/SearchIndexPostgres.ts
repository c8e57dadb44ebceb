/** Search inside PostgreSQL: full text with the same query language and promises as every other engine. */
import { Effect, Layer, Result, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { timed } from "../../src/delivery/EngineCall.ts"
import { type Failure, storeFailed } from "../../src/delivery/Failure.ts"
import type { EntityId } from "../../src/domain/Entity.ts"
import { CursorInvalid, toPage } from "../../src/domain/Paging.ts"
import { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import { decodeCursor, encodeCursor } from "../../src/search/SearchCursor.ts"
import type { IndexWrite } from "../../src/search/SearchDocument.ts"
import {
  Found,
  type IndexState,
  SearchHit,
  SearchIndex,
  SearchUnavailable,
  type WriteResult
} from "../../src/search/SearchIndex.ts"
import type { SearchQuery, SearchTerms } from "../../src/search/SearchQuery.ts"
import { snippetOf } from "../../src/search/Snippet.ts"
import { StoreAttributes } from "../../src/telemetry/StoreAttributes.ts"
import * as IndexEntries from "./IndexEntries.ts"
import { bigints, booleans, floats, integers, jsons, texts, uuids } from "./Parameters.ts"
import { orUnavailable, sqlState } from "./PostgresErrors.ts"
import * as SearchGenerations from "./SearchGenerations.ts"
import { silent, statement } from "./Statement.ts"

const { snippet: _made, ...shown } = SearchHit.fields
const decodeHits = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ ...shown, body: Schema.String })))
const decodeFound = Schema.decodeUnknownSync(Schema.Array(Found))

/** The body's part that a snippet is cut from; highlighting a whole long body would cost more than finding it. */
const snippetSource = 20_000

/** A search that takes longer is cancelled on the server: one costly query must not starve the writes. */
const findTimeout = "2 seconds"

const unavailable = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, Exclude<E, SqlError.SqlError | StoreUnavailable> | SearchUnavailable, R> =>
  effect.pipe(
    orUnavailable,
    Effect.timeoutOrElse({
      duration: findTimeout,
      orElse: () => Effect.fail(new StoreUnavailable({ cause: new Error(`no answer in ${findTimeout}`) }))
    }),
    away
  )

/** Without a patience of its own: for what reads a lot at once, the server's limit of a statement has to do. */
const away = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, Exclude<E, SqlError.SqlError | StoreUnavailable> | SearchUnavailable, R> =>
  orUnavailable(effect).pipe(
    Effect.catch((error): Effect.Effect<never, Exclude<E, SqlError.SqlError | StoreUnavailable> | SearchUnavailable> =>
      Effect.fail(
        error instanceof StoreUnavailable
          ? new SearchUnavailable({ engine: "postgres", cause: error })
          : error as Exclude<E, SqlError.SqlError | StoreUnavailable>
      )
    )
  )

const generationMissing: Failure = {
  class: "configuration",
  errorType: "pg_generation_missing",
  detail: "there is no such generation of the index"
}

/** A row that no partition takes. */
const isWithoutPart = (error: SqlError.SqlError) => sqlState(error) === "23514"

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const liveGeneration = sql.literal("(select generation from search_live)")
  const entries = IndexEntries.make(sql)

  const upsert = (writes: ReadonlyArray<IndexWrite>, generation: string | undefined) => {
    const into = generation === undefined ? liveGeneration : sql`${Number(generation)}::integer`
    const shown = writes.map(({ document }) => document)
    return silent(sql<{ readonly id: EntityId }>`
      insert into search_documents as known (generation, id, kind, version, revision, deleted, library_id, tag_ids,
        title, body, library, tags)
      select ${into}, id, kind, version, revision, deleted, library_id,
        array(select jsonb_array_elements_text(tag_ids))::uuid[], title, body, library,
        array(select jsonb_array_elements_text(tags))
      from unnest(${uuids(writes.map(({ id }) => id))}, ${texts(writes.map(({ kind }) => kind))},
        ${integers(writes.map(({ version }) => version))}, ${bigints(writes.map(({ revision }) => revision))},
        ${booleans(shown.map((document) => document === null))},
        ${uuids(shown.map((document) => document?.library_id ?? null))},
        ${jsons(shown.map((document) => document?.tag_ids ?? []))}::jsonb[],
        ${texts(shown.map((document) => document?.title ?? ""))},
        ${texts(shown.map((document) => document?.body ?? ""))},
        ${texts(shown.map((document) => document?.library ?? null))},
        ${jsons(shown.map((document) => document?.tags ?? []))}::jsonb[])
        as new (id, kind, version, revision, deleted, library_id, tag_ids, title, body, library, tags)
      on conflict (generation, id) do update set version = excluded.version, revision = excluded.revision,
        deleted = excluded.deleted, library_id = excluded.library_id, tag_ids = excluded.tag_ids,
        title = excluded.title, body = excluded.body, library = excluded.library, tags = excluded.tags,
        written_at = clock_timestamp()
      where known.revision < excluded.revision
      returning id`)
  }

  const write = Effect.fnUntraced(function*(writes: ReadonlyArray<IndexWrite>, generation: string | undefined) {
    // Rows are always locked in the same order, so that two workers cannot wait for each other.
    const ordered = writes.toSorted((a, b) => a.id < b.id ? -1 : 1)
    const attributes = {
      ...(yield* StoreAttributes),
      "db.collection.name": "search_documents",
      "db.operation.batch.size": writes.length
    }
    const upserted = Effect.catchIf(upsert(ordered, generation), isWithoutPart, () => Effect.fail(generationMissing))
    const { call, result } = yield* timed("search.upsert", attributes, orUnavailable(upserted))
    const written = new Set(Result.isSuccess(result) ? result.success.map(({ id }) => id) : [])
    const refused = Result.isSuccess(result) ? undefined : "_tag" in result.failure ? storeFailed : result.failure
    const resultOf = ({ id }: IndexWrite): WriteResult =>
      refused === undefined
        ? { _tag: written.has(id) ? "Written" : "Superseded" }
        : { _tag: "Failed", failure: refused }
    return { results: writes.map(resultOf), calls: [call], refused }
  })

  /** Every word as a query of its own: the parser may split what a person typed as one. */
  const tsquery = (terms: SearchTerms) => {
    // A word of several pieces (`self-made`, 東京) is found where they stand together, as a phrase is.
    const together = (text: string) => sql`phraseto_tsquery('simple', wordloom_plain(${text}))`
    const prefix = (text: string) =>
      sql`(case when numnode(${together(text)}) = 0 then ''
      else ${together(text)}::text || ':*' end)::tsquery`
    const parts = [
      ...[...terms.words, ...terms.phrases].map(together),
      ...(terms.prefix === null ? [] : [prefix(terms.prefix)]),
      ...terms.without.map((text) => sql`!! ${together(text)}`)
    ]
    return parts.reduce((all, part) => sql`${all} && ${part}`)
  }

  const recall = Effect.fnUntraced(function*(query: SearchQuery, limit: number, after: string | undefined) {
    const from = after === undefined ? undefined : decodeCursor(query, after)
    if (after !== undefined && from === undefined) return yield* new CursorInvalid()
    const { phrases, prefix, words } = query.terms
    const whole = [...words, ...phrases, ...(prefix === null ? [] : [prefix])].join(" ").toLowerCase()
    const filters = sql.and([
      sql`generation = ${liveGeneration} and not deleted and words @@ wanted.query`,
      ...(query.kind === undefined ? [] : [sql`kind = ${query.kind}`]),
      ...(query.library_id === undefined ? [] : [sql`library_id = ${query.library_id}::uuid`]),
      ...(query.tag_id === undefined ? [] : [sql`tag_ids @> array[${query.tag_id}::uuid]`])
    ])
    const rows = yield* statement(
      "query",
      "search_documents",
      sql`
      with wanted as materialized (select ${tsquery(query.terms)} as query),
      ranked as (
        select id,
          (ts_rank(words, wanted.query, 1) + case when lower(title) = ${whole} then 1 else 0 end)::float8 as score
        from search_documents, wanted where ${filters}
      )
      select id, score from ranked
      ${from === undefined ? sql`` : sql`where (-score, id) > (${-from.score}::float8, ${from.id}::uuid)`}
      order by score desc, id limit ${limit + 1}`
    )
    return toPage(decodeFound(rows), limit, (last) => encodeCursor(query, last))
  })

  const hydrate = Effect.fnUntraced(function*(terms: SearchTerms, found: ReadonlyArray<Found>) {
    const rows = yield* statement(
      "query",
      "search_documents",
      sql`
      select kind, id, title, version, each.score, left(body, ${snippetSource}) as body
      from unnest(${uuids(found.map(({ id }) => id))}, ${floats(found.map(({ score }) => score))})
        with ordinality as each (id, score, at) join search_documents using (id)
      where generation = ${liveGeneration} and not deleted order by at`
    )
    return decodeHits(rows).map(({ body, ...hit }) => ({
      ...hit,
      snippet: snippetOf({ body, title: hit.title }, terms)
    }))
  })

  return SearchIndex.of({
    engine: "postgres",
    name: "postgres/search_documents",
    generations: SearchGenerations.make(sql),
    prepare: Effect.void,
    write: (writes, to) =>
      writes.length === 0 ? Effect.succeed({ results: [], calls: [] }) : write(writes, to?.generation),
    recall: (query, limit, after) => unavailable(recall(query, limit, after)),
    hydrate: (terms, found) => found.length === 0 ? Effect.succeed([]) : unavailable(hydrate(terms, found)),
    refresh: Effect.void,
    stateOf: (id) =>
      unavailable(Effect.map(
        silent(sql<IndexState>`
          select version, revision::float8 as revision, deleted from search_documents
          where generation = ${liveGeneration} and id = ${id}::uuid`),
        (rows) => rows[0]
      )),
    digests: (ranges, generation) => away(entries.digests(ranges, generation)),
    entries: (range, limit, generation) => away(entries.list(range, limit, generation)),
    entriesOf: (ids, generation) => away(entries.ofIds(ids, generation)),
    purge: (before, limit) => away(entries.purge(before, limit))
  })
})

export const layer = Layer.effect(SearchIndex, make)
