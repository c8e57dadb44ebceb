/** Writes one document after the other straight to Elasticsearch, each with refresh=wait_for. program.js naive N */
import { Effect } from "effect"
import { linesOf } from "../../layers/elasticsearch/BulkRequest.ts"
import * as ElasticsearchClient from "../../layers/elasticsearch/ElasticsearchClient.ts"
import { resultsOf } from "../../layers/elasticsearch/ElasticsearchErrors.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { Settings } from "../../src/settings/Settings.ts"
import { monotonic, produce, report } from "../ChildSide.ts"
import { runInFoundation } from "./RunInFoundation.ts"

const write = (name: string) => ({
  kind: "tag" as const,
  id: EntityId.make(name),
  version: 1,
  revision: 1,
  document: { title: name, body: "", library_id: null, tag_ids: [], library: null, tags: [] }
})

await runInFoundation(Effect.gen(function*() {
  const { elasticIndex: index, elasticUrl: url } = yield* Settings
  yield* SearchIndex.use(({ prepare }) => prepare)
  yield* Effect.gen(function*() {
    const { request } = yield* ElasticsearchClient.ElasticsearchClient
    const context = yield* Effect.context()
    const run = Effect.runPromiseWith(context)
    const foundAt = new Map<string, string | null>()
    const send = async (name: string) => {
      const lines = linesOf(write(name), 0)
      const query = { refresh: "wait_for", require_alias: "true" }
      const { body } = await run(
        request({ method: "POST", path: `/${index}/_bulk`, query, lines, timeout: "10 seconds" })
      )
      foundAt.set(name, resultsOf(body, 1, index)?.[0]?._tag === "Written" ? monotonic() : null)
    }
    const samples = yield* Effect.promise(() => produce(Number(process.argv[3]), () => crypto.randomUUID(), send))
    report(samples.map(({ key, sentAt }) => ({ sentAt, committedAt: sentAt, foundAt: foundAt.get(key) })))
  }).pipe(Effect.provide(ElasticsearchClient.layer({ url: url!, index })))
}))
