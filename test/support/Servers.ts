/** The real servers of one test run: started before the first test, stopped after the last. */
import type { TestProject } from "vitest/node"
import { missing, start } from "../../infra/servers.js"

declare module "vitest" {
  export interface ProvidedContext {
    /** A server where every test file makes a database of its own. */
    readonly postgresUrl: string
    /** `undefined` where Elasticsearch is not installed; its suites are skipped then, and say so. */
    readonly elasticsearchUrl: string | undefined
  }
}

const elasticsearch = async () => {
  const given = process.env["WORDLOOM_TEST_ELASTIC_URL"]
  if (given !== undefined) return { url: given, stop: async () => {} }
  const lacking = missing("elasticsearch")
  if (lacking === undefined) return start("elasticsearch")
  console.warn(`\nNo Elasticsearch here, its tests are skipped: ${lacking}\n`)
  return undefined
}

export default async (project: TestProject) => {
  // What these tests write is worth nothing after a crash.
  const [postgres, search] = await Promise.all([start("postgres", { fsync: false }), elasticsearch()])
  project.provide("postgresUrl", postgres.url)
  project.provide("elasticsearchUrl", search?.url)
  return () => Promise.all([postgres.stop(), search?.stop()])
}
