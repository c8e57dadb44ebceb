/** A real Elasticsearch: this run's, or the one that the environment names, or one of our own if it is installed. */
import { inject } from "@effect/vitest"
import { missing, start } from "../../../infra/servers.js"

export type Real =
  | { readonly url: string; readonly stop: () => Promise<void> }
  | { readonly missing: string }

export const startElasticsearch = async (): Promise<Real> => {
  const given = inject("elasticsearchUrl") ?? process.env["WORDLOOM_TEST_ELASTIC_URL"]
  if (given) return { url: given, stop: async () => {} }
  const obstacle = missing("elasticsearch")
  return obstacle === undefined ? start("elasticsearch") : { missing: obstacle }
}
