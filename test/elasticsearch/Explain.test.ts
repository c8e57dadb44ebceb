/** Explain beside a real Elasticsearch: what searches show, what only a refresh will show, and what is away. */
import { afterAll, assert, it } from "@effect/vitest"
import type { Explanation } from "../../src/explain/Explanation.ts"
import { askDoctor } from "../support/Doctors.ts"
import { asking, command, type ExplainPage, explainPage } from "../support/ExplainAsked.ts"
import { until } from "../support/Programs.ts"
import { newTag, programsEnv, type RunningApi, runningApi } from "../support/RunningApi.ts"
import { tcpProxy } from "../support/TcpProxy.ts"
import { startElasticsearch } from "./support/RealElasticsearch.ts"

const real = await startElasticsearch()
const index = `wordloom-explain-${crypto.randomUUID()}`

let running: RunningApi | undefined
let page: ExplainPage | undefined
let way: Awaited<ReturnType<typeof tcpProxy>> | undefined
afterAll(async () => {
  if ("missing" in real) return
  await page?.close()
  await running?.stop()
  await way?.stop()
  await fetch(`${real.url}/${index}-000001`, { method: "DELETE" })
  await real.stop()
})

const elastic = async (method: "PUT" | "POST", url: string, body?: object) => {
  const headers = { "content-type": "application/json" }
  const said = body === undefined ? {} : { headers, body: JSON.stringify(body) }
  const response = await fetch(url, { method, ...said })
  assert.isTrue(response.ok, await response.text())
}

if ("missing" in real) {
  it.skip(`waiting for Elasticsearch: ${real.missing}`, () => {})
} else {
  const { url } = real
  it("tells what is not refreshed from what is searchable, and goes on when the engine is away", async () => {
    const engine = { WORDLOOM_SEARCH: "elasticsearch", ELASTIC_URL: url, ELASTIC_INDEX: index }
    // The worker comes by itself, the API and the command through what will be cut.
    way = await tcpProxy(url)
    const behind = { ...engine, ELASTIC_URL: way.url }
    running = await runningApi({ worker: true, env: engine, apiEnv: behind })
    const { base, call, database } = running
    const env = { ...programsEnv(database), ...behind }
    page = await explainPage(base)
    const ask = asking(running, env, page)

    const refresh = () => elastic("POST", `${url}/${index}/_refresh`)
    const told = async () => {
      const tag = await newTag(call)
      await until("it to be written", async () => {
        const { items } = (await call("GET", `/api/v1/outbox/events?entity_id=${tag["id"]}`)).body
        return items.length === 2 && items.every(({ status }: { readonly status: string }) => status === "done")
      })
      return tag["id"] as string
    }
    /** An engine that is too busy to answer in time is asked again; whatever else is said counts. */
    const explained = (id: string) =>
      until("the engine's answer", async () => {
        const explanation = (await call("GET", `/api/v1/explain?tag=${id}`)).body as Explanation
        if (!explanation.engine.reachable) throw new Error(explanation.engine.detail ?? "")
        return explanation
      })
    const verdictOf = async (id: string) => {
      const { sentence, verdict } = await explained(id)
      return { verdict, sentence }
    }

    const first = await told()
    await elastic("PUT", `${url}/${index}/_settings`, { index: { refresh_interval: "-1" } })
    await refresh()
    assert.deepInclude(await verdictOf(first), { verdict: "searchable" })

    const second = await told()
    const hidden = await explained(second)
    assert.strictEqual(hidden.verdict, "not_refreshed", hidden.sentence)
    assert.isFalse(hidden.in_place)
    assert.strictEqual((await ask("tag", second)).verdict, "not_refreshed")
    const [change] = hidden.changes
    assert.deepInclude(change!.deliveries[0]!.timeline.at(-1), { stage: "refresh", open: true })
    const looked = change!.answers.find(({ question }) => question === "index")!
    assert.strictEqual(looked.answer, "no")
    assert.deepInclude(looked.evidence, { engine: "elasticsearch", stored_version: 1, searched_version: null })
    // Another version of what is searched for is not what was asked for either.
    await call("PATCH", `/api/v1/tags/${first}`, { json: { color: "#000000" } })
    await until("the second version to be hidden", async () => (await explained(first)).verdict === "not_refreshed")

    await refresh()
    for (const id of [first, second]) assert.deepInclude(await verdictOf(id), { verdict: "searchable" })
    const printed = await command(env, [`tag/${second}`, "--json"])
    assert.deepInclude(JSON.parse(printed.out), { verdict: "searchable" })
    assert.strictEqual(printed.code, 0)

    for (const isAway of [way.silence, way.cut]) {
      isAway()
      const { body } = await call("GET", `/api/v1/explain?tag=${second}`)
      assert.deepInclude(body, { verdict: "index_unknown", in_place: null })
      assert.deepInclude(body.engine, { name: "elasticsearch", reachable: false })
      assert.include(body.sentence, "index: unknown, the engine (elasticsearch) does not answer")
      way.restore()
      assert.deepInclude(await verdictOf(second), { verdict: "searchable" })
    }
    way.cut()
    assert.strictEqual((await ask("tag", second)).verdict, "index_unknown")
  })
  it("tells an engine that has no index yet from one that does not answer, and what makes the index", async () => {
    const engine = {
      WORDLOOM_SEARCH: "elasticsearch",
      ELASTIC_URL: url,
      ELASTIC_INDEX: `wordloom-none-${crypto.randomUUID()}`
    }
    const fresh = await runningApi({ env: engine })
    try {
      const env = { ...programsEnv(fresh.database), ...engine }
      const { id } = await newTag(fresh.call)
      const told = await asking(fresh, env, undefined)("tag", id)
      assert.strictEqual(told.verdict, "waiting")
      assert.isTrue(told.engine.reachable, told.engine.detail ?? "")
      const looked = told.changes[0]!.answers.find(({ question }) => question === "index")!
      assert.deepInclude(looked, {
        answer: "no",
        text: "the engine (elasticsearch) has no index yet: a worker makes it"
      })
      const none = "the search engine (elasticsearch) has no index yet: a worker makes it"
      const found = await fresh.call("GET", "/api/v1/search?q=tag")
      assert.deepInclude(found, { status: 503 })
      assert.strictEqual(found.body.detail, none)
      const doctor = await askDoctor(env, "--api", fresh.base)
      assert.deepInclude(doctor.of("DX-10"), { health: "fail", cause: none })
      assert.match(
        doctor.of("DX-10").fix!,
        /^node programs\/worker\.js; .+ node programs\/wordloom\.js reconcile --repair$/
      )
      const away = await askDoctor({ ...env, ELASTIC_URL: "http://127.0.0.1:1" }, "--api", fresh.base)
      assert.match(away.of("DX-10").cause, /does not answer: connect ECONNREFUSED/)
      assert.match(away.of("DX-10").fix!, /ELASTIC_URL/)
    } finally {
      await fresh.stop()
    }
  })
}
