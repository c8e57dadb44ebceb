/** A real Elasticsearch: the one that `WORDLOOM_TEST_ELASTIC_URL` names, else one of our own if it is installed. */
import { missing, start } from "../../../infra/servers.js"

export type Real =
  | { readonly url: string; readonly stop: () => Promise<void> }
  | { readonly missing: string }

export const startElasticsearch = async (): Promise<Real> => {
  const given = process.env["WORDLOOM_TEST_ELASTIC_URL"]
  if (given) return { url: given, stop: async () => {} }
  const obstacle = missing("elasticsearch")
  if (obstacle !== undefined) return { missing: obstacle }
  const { stop, url } = await start("elasticsearch")
  return { url, stop }
}
