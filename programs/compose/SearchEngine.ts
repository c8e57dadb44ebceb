/** The search index, in whichever engine the settings name. */
import { Effect, Layer } from "effect"
import * as SearchIndexPostgres from "../../layers/postgres/SearchIndexPostgres.ts"
import { Settings } from "../../src/settings/Settings.ts"

/** Elasticsearch's client is only loaded where it is configured: reading it takes a fifth of a second. */
const elasticsearch = Effect.gen(function*() {
  const { elasticApiKey, elasticIndex, elasticUrl } = yield* Settings
  const Client = yield* Effect.promise(() => import("../../layers/elasticsearch/ElasticsearchClient.ts"))
  const Index = yield* Effect.promise(() => import("../../layers/elasticsearch/SearchIndexElasticsearch.ts"))
  const client = Client.layer({ url: elasticUrl!, index: elasticIndex, apiKey: elasticApiKey })
  return Index.layer.pipe(Layer.provide(client))
})

export const layer = Layer.unwrap(
  Effect.flatMap(
    Settings,
    ({ search }) => search === "elasticsearch" ? elasticsearch : Effect.succeed(SearchIndexPostgres.layer)
  )
)
