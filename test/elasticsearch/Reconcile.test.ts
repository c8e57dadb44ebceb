/** Reconciling search in a real Elasticsearch, with the entities in a real PostgreSQL. */
import { afterAll, it } from "@effect/vitest"
import { Layer } from "effect"
import * as ElasticsearchClient from "../../layers/elasticsearch/ElasticsearchClient.ts"
import * as SearchIndexElasticsearch from "../../layers/elasticsearch/SearchIndexElasticsearch.ts"
import * as SearchDestination from "../../src/search/SearchDestination.ts"
import { suite } from "../reconcile/ReconcileSuite.ts"
import * as Vandals from "../reconcile/Vandals.ts"
import * as PostgresStores from "../support/PostgresStores.ts"
import { startElasticsearch } from "./support/RealElasticsearch.ts"

const real = await startElasticsearch()

if ("missing" in real) {
  console.warn(`skipped, Elasticsearch: ${real.missing}`)
  it.skip(`reconcile (elasticsearch): ${real.missing}`, () => {})
} else {
  const { stop, url } = real
  const index = `wordloom-test-${crypto.randomUUID()}`
  afterAll(async () => {
    await fetch(`${url}/${index}-000001`, { method: "DELETE" })
    await stop()
  })
  suite(
    "elasticsearch",
    SearchDestination.layer.pipe(
      Layer.provideMerge(Layer.merge(SearchIndexElasticsearch.layer, Vandals.elasticsearch(url, index))),
      Layer.provideMerge(ElasticsearchClient.layer({ url, index })),
      Layer.provideMerge(PostgresStores.layer)
    )
  )
}
