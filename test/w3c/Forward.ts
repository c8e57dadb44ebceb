/** The call to the address that the test service was told, by the client that the product itself calls others with. */
import { Effect, Schema } from "effect"
import * as ElasticsearchClient from "../../layers/elasticsearch/ElasticsearchClient.ts"

/** What the W3C's harness posts: where to call, and with which body. */
export const Actions = Schema.Array(Schema.Struct({ url: Schema.String, arguments: Schema.Array(Schema.Unknown) }))

/** The answer does not matter, and is none of Elasticsearch's. */
export const forward = (url: string, body: ReadonlyArray<unknown>) => {
  const { origin, pathname } = new URL(url)
  return ElasticsearchClient.ElasticsearchClient.use(({ request }) =>
    request({ method: "POST", path: pathname, body, timeout: "4 seconds" })
  ).pipe(
    Effect.ignore,
    Effect.withSpan("forward", { kind: "client" }),
    Effect.provide(ElasticsearchClient.layer({ url: origin, index: "none" }))
  )
}
