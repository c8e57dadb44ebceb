/** In place of test/support/Servers.ts: the runner's own PostgreSQL, started once for all mutants. */
import type { TestProject } from "vitest/node"

export default (project: TestProject) => {
  const url = process.env["WORDLOOM_TEST_POSTGRES_URL"]
  if (url === undefined) throw new Error("node test/mutants/run.ts starts the servers and this run")
  project.provide("postgresUrl", url)
  project.provide("elasticsearchUrl", undefined)
}
