/** `Prefer: wait` with a real Elasticsearch: every write is found at once, and hardly any has a refresh of its own. */
import { afterAll, assert, it } from "@effect/vitest"
import { until } from "../support/Programs.ts"
import { fresh, type RunningApi, runningApi } from "../support/RunningApi.ts"
import { startElasticsearch } from "./support/RealElasticsearch.ts"

const real = await startElasticsearch()
const index = `wordloom-visible-${crypto.randomUUID()}`

const clients = 16
const writes = 200

let running: RunningApi | undefined
afterAll(async () => {
  if ("missing" in real) return
  await running?.stop()
  await fetch(`${real.url}/${index}-000001`, { method: "DELETE" })
  await real.stop()
})

const elastic = async (url: string, path: string, body?: object) => {
  const said = body === undefined
    ? {}
    : { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }
  const response = await fetch(`${url}/${path}`, said)
  assert.isTrue(response.ok, path)
  return await response.json() as any
}

/** Those that somebody asked for: what Elasticsearch does by itself is switched off. */
const refreshesOf = async (url: string): Promise<number> =>
  (await elastic(url, `${index}/_stats/refresh`))._all.primaries.refresh.external_total

if ("missing" in real) {
  it.skip(`waiting for Elasticsearch: ${real.missing}`, () => {})
} else {
  const { url } = real
  it(`finds ${writes} writes of ${clients} clients, each in the search after it`, async () => {
    const { call } = running = await runningApi({
      worker: true,
      env: { WORDLOOM_SEARCH: "elasticsearch", ELASTIC_URL: url, ELASTIC_INDEX: index }
    })
    await until("the index", async () => (await fetch(`${url}/${index}`)).ok)
    await elastic(url, `${index}/_settings`, { "index.refresh_interval": "-1" })
    const before = await refreshesOf(url)
    // In quotes, or a name would be the beginning of others too.
    const found = async (name: string) =>
      (await call("GET", `/api/v1/search?q=%22${name}%22`)).body.items as ReadonlyArray<any>

    let left = writes
    const client = async () => {
      while (left-- > 0) {
        const name = fresh("visible").replaceAll(" ", "")
        const json = { name, color: "#1E90FF" }
        const { body, headers, status } = await call("POST", "/api/v1/tags", { json, headers: { prefer: "wait=25" } })
        assert.deepStrictEqual([status, headers["x-search-visible"]], [201, "true"])
        assert.deepStrictEqual((await found(name)).map(({ id, version }) => [id, version]), [[body.id, 1]])
      }
    }
    await Promise.all(Array.from({ length: clients }, client))
    const refreshes = await refreshesOf(url) - before
    assert.isAtLeast(refreshes, 1)
    assert.isAtMost(refreshes, writes / 2)

    // What was written by somebody who did not wait is found by nobody, so it was the waiting that did it.
    const name = fresh("unseen").replaceAll(" ", "")
    const { body } = await call("POST", "/api/v1/tags", { json: { name, color: "#1E90FF" } })
    await until("it to be written", async () => {
      const { items } = (await call("GET", `/api/v1/outbox/events?entity_id=${body.id}&projection=search`)).body
      return items[0]?.status === "done"
    })
    assert.deepStrictEqual(await found(name), [])
    const seen = await call("DELETE", `/api/v1/tags/${body.id}`, { headers: { prefer: "wait=25" } })
    assert.deepStrictEqual([seen.status, seen.headers["x-search-visible"]], [204, "true"])
  })
}
