/** Search in Elasticsearch: external versions fence the writes, and one bulk request carries a whole batch. */
import { Effect, Layer, Schema } from "effect"
import type { EntityId } from "../../src/domain/Entity.ts"
import { CursorInvalid, toPage } from "../../src/domain/Paging.ts"
import { decodeCursor, encodeCursor, fingerprintOf } from "../../src/search/SearchCursor.ts"
import { type Found, SearchIndex, SearchUnavailable } from "../../src/search/SearchIndex.ts"
import type { SearchQuery, SearchTerms } from "../../src/search/SearchQuery.ts"
import { write } from "./BulkWrite.ts"
import { ask, askById, ElasticsearchClient, readable, readAs, RequestFailed } from "./ElasticsearchClient.ts"
import { isIndexMissing } from "./ElasticsearchErrors.ts"
import * as IndexEntries from "./IndexEntries.ts"
import * as IndexGenerations from "./IndexGenerations.ts"
import { prepare } from "./IndexPreparation.ts"
import * as MappingGuard from "./MappingGuard.ts"
import { foundIn, hitsIn } from "./SearchAnswer.ts"
import { findTimeoutMs, hydrateBody, recallBody } from "./SearchRequest.ts"

const engine = "elasticsearch"
const findTimeout = `${findTimeoutMs} millis` as const
const refreshTimeout = "10 seconds"

const orUnavailable = Effect.mapError((cause: unknown) =>
  cause instanceof RequestFailed && isIndexMissing(cause)
    ? new SearchUnavailable({ engine, cause, reason: "no_index" })
    : new SearchUnavailable({ engine, cause })
)

/** Copies of a shard score a little differently: all pages of one query are cut from the same copy. */
const searchOf = (preference: number) => ({ allow_partial_search_results: "false", preference: `q${preference}` })

const recall = Effect.fnUntraced(function*(query: SearchQuery, limit: number, cursor: string | undefined) {
  const after = cursor === undefined ? undefined : decodeCursor(query, cursor)
  if (cursor !== undefined && after === undefined) return yield* new CursorInvalid()
  const answer = yield* orUnavailable(ask("search", {
    query: searchOf(fingerprintOf(query)),
    body: recallBody(query, limit, after),
    timeout: findTimeout
  }))
  const found = yield* orUnavailable(readable(answer, foundIn))
  return toPage(found, limit, (last) => encodeCursor(query, last))
})

const hydrate = (terms: SearchTerms, found: ReadonlyArray<Found>) =>
  ask("search", {
    query: searchOf(fingerprintOf({ terms })),
    body: hydrateBody(terms, found.map(({ id }) => id)),
    timeout: findTimeout
  }).pipe(Effect.flatMap((answer) => readable(answer, hitsIn(found))), orUnavailable)

const readState = readAs(Schema.Struct({
  docs: Schema.Tuple([Schema.Struct({
    found: Schema.Boolean,
    _version: Schema.optionalKey(Schema.Int),
    _source: Schema.optionalKey(Schema.Struct({ version: Schema.Int, deleted: Schema.Boolean }))
  })])
}))

/** Reads its own writes, before any refresh. A missing index is an error here, and not a missing document. */
const stateOf = (id: EntityId) =>
  askById([id], "version,deleted", findTimeout).pipe(
    Effect.flatMap(readState),
    Effect.map(({ docs: [{ _source, _version: revision }] }) =>
      _source === undefined || revision === undefined ? undefined : { ..._source, revision }
    ),
    orUnavailable
  )

export const layer = Layer.effect(
  SearchIndex,
  Effect.gen(function*() {
    const client = yield* ElasticsearchClient
    const withClient = Effect.provideService(ElasticsearchClient, client)
    const guard = MappingGuard.make()
    const answered = <A, E>(effect: Effect.Effect<A, E, ElasticsearchClient>) => withClient(orUnavailable(effect))
    return SearchIndex.of({
      engine,
      name: `elasticsearch/${client.index}`,
      generations: {
        list: answered(IndexGenerations.list),
        next: answered(IndexGenerations.next),
        create: (name) => answered(IndexGenerations.createEmpty(name)),
        makeLive: (name) => answered(IndexGenerations.makeLive(name)),
        drop: (name) => answered(IndexGenerations.drop(name)),
        refresh: (name) => answered(IndexGenerations.refreshed(name))
      },
      prepare: prepare.pipe(orUnavailable, withClient),
      write: (writes, to) => withClient(write(guard, writes, to)),
      recall: (query, limit, cursor) => withClient(recall(query, limit, cursor)),
      hydrate: (terms, found) => found.length === 0 ? Effect.succeed([]) : withClient(hydrate(terms, found)),
      refresh: answered(IndexGenerations.refresh(refreshTimeout)),
      stateOf: (id) => withClient(stateOf(id)),
      digests: (ranges, generation) => withClient(orUnavailable(IndexEntries.digests(ranges, generation))),
      entries: (range, limit, generation) => withClient(orUnavailable(IndexEntries.list(range, limit, generation))),
      entriesOf: (ids, generation) => withClient(orUnavailable(IndexEntries.ofIds(ids, generation))),
      purge: (before, limit) => withClient(orUnavailable(IndexEntries.purge(before, limit)))
    })
  })
)
