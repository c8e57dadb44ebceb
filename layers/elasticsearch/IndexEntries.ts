/** What an index in Elasticsearch holds, as it is compared with the entities; and the end of its tombstones. */
import { Array, Effect, Option, Schema } from "effect"
import { EntityId, EntityKind } from "../../src/domain/Entity.ts"
import type { IdRange, IndexEntry, RangeDigest } from "../../src/search/IdRange.ts"
import { digestOf } from "./DocumentDigest.ts"
import { ask, askById, ElasticsearchClient, readable, readAs, RequestFailed } from "./ElasticsearchClient.ts"
import { resultsOf } from "./ElasticsearchErrors.ts"

/** Nobody waits for an answer here: an engine that is busy with searches may take its time. */
const timeout = "30 seconds"

/** Documents per answer, which then stays below the client's limit, also if each has the longest body there can be. */
const documentsMax = 50

const whole = { allow_partial_search_results: "false" }

const alive = { term: { deleted: false } }

const within = ({ after, to }: IdRange) =>
  after === undefined && to === undefined
    ? { exists: { field: "id" } }
    : { range: { id: { ...(after === undefined ? {} : { gt: after }), ...(to === undefined ? {} : { lte: to }) } } }

const Sum = Schema.Struct({ value: Schema.Finite })
const readSums = readAs(Schema.Struct({
  timed_out: Schema.Literal(false),
  aggregations: Schema.Struct({
    ranges: Schema.Struct({
      buckets: Schema.Array(Schema.Struct({ doc_count: Schema.Int, digest: Sum, revision: Sum }))
    })
  })
}))

/** `undefined` where any of them is open. */
const outermost = (ends: ReadonlyArray<EntityId | undefined>, at: 0 | -1) => {
  const closed = ends.filter((end) => end !== undefined)
  return closed.length < ends.length ? undefined : closed.toSorted((a, b) => a < b ? -1 : 1).at(at)
}

/** The query leaves all else out, so that a request costs as much as its ranges hold. */
const sumsBody = (ranges: ReadonlyArray<IdRange>) => {
  const after = outermost(ranges.map(({ after }) => after), 0)
  const to = outermost(ranges.map(({ to }) => to), -1)
  return {
    size: 0,
    track_total_hits: false,
    query: { bool: { filter: [alive, within({ after, to })] } },
    aggs: {
      ranges: {
        filters: { filters: ranges.map(within) },
        aggs: { digest: { sum: { field: "digest" } }, revision: { sum: { field: "_version" } } }
      }
    }
  }
}

export const digests = Effect.fnUntraced(function*(ranges: ReadonlyArray<IdRange>, index: string | undefined) {
  if (ranges.length === 0) return []
  const answer = yield* ask("search", { query: whole, body: sumsBody(ranges), timeout }, index)
  const { aggregations } = yield* readSums(answer)
  return aggregations.ranges.buckets.map(({ digest, doc_count, revision }): RangeDigest => ({
    count: doc_count,
    digest: digest.value,
    revision: revision.value
  }))
})

const decodeSource = Schema.decodeUnknownOption(Schema.Struct({
  kind: EntityKind,
  version: Schema.Int,
  title: Schema.String,
  body: Schema.String,
  library_id: Schema.NullOr(EntityId),
  tag_ids: Schema.Array(EntityId),
  library: Schema.NullOr(Schema.String),
  tags: Schema.Array(Schema.String),
  deleted: Schema.Boolean
}))

const isId = Schema.is(EntityId)

/** What no document of ours says. */
const foreignDigest = -1

/** Whoever writes behind our back may write anything: what does not fit is a document too, and unlike any of ours. */
const entryOf = (id: EntityId, revision: number, source: unknown): IndexEntry =>
  Option.match(decodeSource(source), {
    onNone: () => ({ id, kind: "block", version: 0, revision, deleted: false, digest: foreignDigest }),
    onSome: ({ deleted, kind, version, ...document }) => ({
      id,
      kind,
      version,
      revision,
      deleted,
      digest: digestOf({ id, kind, version, document: deleted ? null : document })
    })
  })

const said = ["kind", "version", "title", "body", "library_id", "tag_ids", "library", "tags", "deleted"]

const readHits = readAs(Schema.Struct({
  timed_out: Schema.Literal(false),
  hits: Schema.Struct({
    hits: Schema.Array(Schema.Struct({
      _id: Schema.String,
      _version: Schema.Int,
      _source: Schema.optionalKey(Schema.Unknown),
      sort: Schema.optionalKey(Schema.Tuple([Schema.String]))
    }))
  })
}))

/** Documents that somebody put under another `_id` than they say are left out: no write of ours would reach them. */
export const list = Effect.fnUntraced(function*(range: IdRange, limit: number, index: string | undefined) {
  const entries: Array<IndexEntry> = []
  for (let after: string | undefined = range.after; entries.length < limit;) {
    const size = Math.min(documentsMax, limit - entries.length)
    const body = {
      size,
      query: { bool: { filter: [alive, within({ ...range, after: after as EntityId | undefined })] } },
      sort: [{ id: "asc" }],
      version: true,
      track_total_hits: false,
      _source: said
    }
    const { hits } = yield* Effect.flatMap(ask("search", { query: whole, body, timeout }, index), readHits)
    for (const { _id, _source, _version, sort } of hits.hits) {
      if (isId(_id) && sort?.[0] === _id) entries.push(entryOf(_id, _version, _source))
      after = sort?.[0]
    }
    if (hits.hits.length < size) break
  }
  return entries
})

const readDocuments = readAs(Schema.Struct({
  docs: Schema.Array(Schema.Struct({
    _id: EntityId,
    found: Schema.Boolean,
    _version: Schema.optionalKey(Schema.Int),
    _source: Schema.optionalKey(Schema.Unknown)
  }))
}))

export const ofIds = Effect.fnUntraced(function*(ids: ReadonlyArray<EntityId>, index: string | undefined) {
  const entries: Array<IndexEntry> = []
  for (const part of Array.chunksOf(ids, documentsMax)) {
    const { docs } = yield* Effect.flatMap(askById(part, said.join(), timeout, index), readDocuments)
    for (const { _id, _source, _version, found } of docs) if (found) entries.push(entryOf(_id, _version ?? 0, _source))
  }
  return entries
})

const deletion = (id: string, version: number) =>
  `${JSON.stringify({ delete: { _id: id, version, version_type: "external_gte" } })}\n`

/** What has been written since has a higher version, and stays. The next look must not find the same ones again. */
export const purge = Effect.fnUntraced(function*(before: number, limit: number) {
  const { index } = yield* ElasticsearchClient
  const old = { range: { written_at: { lt: before, format: "epoch_millis" } } }
  const body = {
    size: limit,
    query: { bool: { filter: [{ term: { deleted: true } }, old] } },
    version: true,
    track_total_hits: false,
    _source: false
  }
  const { hits } = yield* Effect.flatMap(ask("search", { query: whole, body, timeout }), readHits)
  if (hits.hits.length === 0) return 0
  const lines = hits.hits.map(({ _id, _version }) => deletion(_id, _version)).join("")
  const query = { require_alias: "true", refresh: "true" }
  const answer = yield* ask("bulk", { query, lines, timeout })
  const results = yield* readable(answer, (body) => resultsOf(body, hits.hits.length, index))
  const failed = results.find((result) => result._tag === "Failed")
  if (failed !== undefined) {
    return yield* new RequestFailed({ failure: failed.failure, status: answer.status, type: "" })
  }
  return hits.hits.length
})
