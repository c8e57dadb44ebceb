/** Writes a batch in as few requests as its size allows, each of them one `es.bulk` span and call. */
import { Clock, Effect, Result } from "effect"
import { type EngineCall, timed } from "../../src/delivery/EngineCall.ts"
import type { Failure } from "../../src/delivery/Failure.ts"
import type { IndexWrite } from "../../src/search/SearchDocument.ts"
import type { Target, WriteResult, Written } from "../../src/search/SearchIndex.ts"
import { bounds, chunksOf, halvesOf, linesOf } from "./BulkRequest.ts"
import { ElasticsearchClient, readable } from "./ElasticsearchClient.ts"
import { resultsOf } from "./ElasticsearchErrors.ts"
import type { MappingGuard } from "./MappingGuard.ts"
import { writeAlias } from "./SearchMapping.ts"

const spanName = "es.bulk"
const writeTimeout = "10 seconds"

const bulkQuery = {
  // Without an alias the first write would make an index by that name, with a mapping that Elasticsearch guesses.
  require_alias: "true",
  // Its patience with a shard that is away: shorter than ours, so that it can say so.
  timeout: "8s",
  // All that is read of an answer that would otherwise be as long as the request.
  filter_path: "took,items.*.status,items.*.error.type,items.*.error.reason,items.*._index"
}

const tookOf = (body: unknown): number => {
  const { took } = body as { readonly took?: unknown }
  return typeof took === "number" ? took : 0
}

/** As the conventions have it; `status` is the contract's. */
const statusCode = (status: number) => status === 0 ? {} : { "db.response.status_code": String(status) }

/** The index that is meant, and the alias by which it is written to. */
interface Place {
  readonly index: string
  readonly alias: string
  readonly visible: boolean
}

const send = Effect.fnUntraced(
  function*({ alias, visible }: Place, lines: ReadonlyArray<string>) {
    const { request } = yield* ElasticsearchClient
    const path = `/${alias}/_bulk`
    const query = visible ? { ...bulkQuery, refresh: "true" } : bulkQuery
    const answer = yield* request({ method: "POST", path, query, lines: lines.join(""), timeout: writeTimeout })
    const results = yield* readable(answer, (body) => resultsOf(body, lines.length, alias))
    const measured = { status: answer.status, took_ms: tookOf(answer.body), ...statusCode(answer.status) }
    yield* Effect.annotateCurrentSpan(measured)
    return { results, measured }
  },
  Effect.tapError(({ failure, status }) =>
    Effect.annotateCurrentSpan({ status, ...statusCode(status), "error.type": failure.errorType })
  )
)

/** A refusal fails the span, but not the batch: it is the outcome of each row. Status 0 stands for no answer. */
const bulk = Effect.fnUntraced(function*(place: Place, lines: ReadonlyArray<string>) {
  const client = yield* ElasticsearchClient
  const attributes = {
    ...client.attributesOf({ method: "POST", path: `/${place.alias}/_bulk` }),
    "db.operation.name": "bulk",
    "db.collection.name": place.index,
    "db.operation.batch.size": lines.length
  }
  const { call, result } = yield* timed(spanName, attributes, send(place, lines))
  const measuredAs = (measured: EngineCall["attributes"]) => ({ ...call, attributes: { ...attributes, ...measured } })
  if (Result.isSuccess(result)) return { results: result.success.results, call: measuredAs(result.success.measured) }
  const { failure, status } = result.failure
  const took_ms = Number((call.endedAt - call.startedAt) / 1_000_000n)
  return { failure, call: measuredAs({ status, took_ms, ...statusCode(status), "error.type": failure.errorType }) }
})

const failedAll = (lines: ReadonlyArray<string>, failure: Failure): ReadonlyArray<WriteResult> =>
  lines.map(() => ({ _tag: "Failed", failure }))

/** A request that is poison as a whole (too large, say) is halved, down to the document that is so by itself. */
const writeAll = Effect.fnUntraced(function*(place: Place, writes: ReadonlyArray<IndexWrite>) {
  const results: Array<WriteResult> = []
  const calls: Array<EngineCall> = []
  let refused: Failure | undefined
  const writtenAt = yield* Clock.currentTimeMillis
  const pending = [...chunksOf(writes.map((each) => linesOf(each, writtenAt)), bounds)]
  for (let lines = pending.shift(); lines !== undefined; lines = pending.shift()) {
    const { call, failure, results: written } = yield* bulk(place, lines)
    calls.push(call)
    if (written !== undefined) {
      results.push(...written)
    } else if (failure.class === "poison" && lines.length > 1) {
      pending.unshift(...halvesOf(lines))
    } else {
      results.push(...failedAll(lines, failure))
      // What is down or has too much to do is not asked again for the rest, whose lease would not last for it either.
      if (failure.class === "poison") continue
      refused = failure
      results.push(...failedAll(pending.splice(0).flat(), failure))
    }
  }
  return { results, calls, refused } satisfies Written
})

export const write = Effect.fnUntraced(function*(
  guard: MappingGuard,
  writes: ReadonlyArray<IndexWrite>,
  to: Target | undefined
) {
  if (writes.length === 0) return { results: [], calls: [] }
  const client = yield* ElasticsearchClient
  const index = to?.generation ?? client.index
  const alias = writeAlias(index)
  return yield* guard.around(index, writes.length, writeAll({ index, alias, visible: to?.visible ?? false }, writes))
})
