/** The console while something is away: it says so, goes on showing what it has, and comes back by itself. */
import { assert, describe, it } from "@effect/vitest"
import type { Browser } from "playwright-core"
import { afterAll, beforeAll } from "vitest"
import { barriers, missingBrowser, openBrowser, openTab, shows } from "../support/Browser.ts"
import { call } from "../support/HttpCall.ts"
import { type OwnDatabase, ownDatabase } from "../support/OwnDatabase.ts"
import { type Program, startProgram, until } from "../support/Programs.ts"
import { listening, programsEnv } from "../support/RunningApi.ts"
import { tcpProxy } from "../support/TcpProxy.ts"

/** Nothing listens there, from the beginning. */
const engineAndJaegerAway = {
  ELASTIC_URL: "http://127.0.0.1:9",
  OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9",
  WORDLOOM_TRACING_ENABLED: "1",
  WORDLOOM_TRACE_URL: "http://127.0.0.1:9/trace/{trace_id}"
}

const suite = missingBrowser === undefined ? describe : describe.skip

suite(`the console while something is away${missingBrowser === undefined ? "" : `: ${missingBrowser}`}`, () => {
  let browser: Browser
  let database: OwnDatabase
  let proxy: Awaited<ReturnType<typeof tcpProxy>>
  let api: Program
  let base: string

  beforeAll(async () => {
    browser = await openBrowser()
    database = await ownDatabase()
    proxy = await tcpProxy(database.url)
    api = startProgram("api", { ...programsEnv(proxy), ...engineAndJaegerAway })
    base = await listening(api)
    await call("POST", `${base}/api/v1/tags`, { json: { name: "kept", color: "#1E90FF" } })
  })
  afterAll(async () => {
    await browser?.close()
    proxy?.restore()
    await api?.stop()
    await proxy?.stop()
    await database?.drop()
  })

  it("says that no worker is there, and how to start one", async () => {
    const { close, page } = await openTab(browser, { base })
    await page.goto("/")
    await shows(page, "No worker drains search, 1 waiting")
    await shows(page, "node programs/worker.js")
    await close()
  })

  it("shows everything but search results without the search engine", async () => {
    const { close, page } = await openTab(browser, { base })
    await page.goto("/search?q=kept")
    await shows(page, "That did not work.")
    assert.deepStrictEqual(await barriers(page), [])
    await page.click("#pages >> text=Outbox")
    await until("its rows", async () => await page.locator("tbody tr").count() === 2)
    await close()
  })

  it("explains a change without Jaeger, and says where its trace would be", async () => {
    const { close, page } = await openTab(browser, { base })
    await page.goto("/outbox")
    await page.click("tbody >> text=search/")
    await shows(page, "no worker drains search")
    const link = page.locator("text=Open the trace").first()
    assert.match(await link.getAttribute("href") ?? "", /^http:\/\/127\.0\.0\.1:9\/trace\/[0-9a-f]{32}$/)
    assert.deepStrictEqual(await barriers(page), [])
    await close()
  })

  it("says that the database does not answer, and is live again when it does", async () => {
    const { close, page } = await openTab(browser, { base })
    await page.goto("/")
    await shows(page, "Live")
    proxy.cut()
    await shows(page, /The database does not answer What is shown is from/)
    await shows(page, "1 waiting")
    assert.deepStrictEqual(await barriers(page), [])
    await page.click("#pages >> text=Outbox")
    await shows(page, "That did not work.")
    proxy.restore()
    await until("its rows, though nobody asked again", async () => await page.locator("tbody tr").count() === 2)
    assert.strictEqual(await page.locator("text=That did not work.").count(), 0)
    await page.click("#pages >> text=Overview")
    await shows(page, "Live")
    await close()
  })

  it("connects again to a server that was started anew", async () => {
    const { close, page } = await openTab(browser, { base })
    await page.goto("/")
    await shows(page, "Live")
    await api.stop("SIGKILL")
    await shows(page, "The server does not answer")
    assert.deepStrictEqual(await barriers(page), [])
    api = startProgram("api", { ...programsEnv(proxy), WORDLOOM_HTTP_PORT: new URL(base).port })
    await shows(page, "Live")
    await close()
  })

  it("goes on with every page, as it says, when the server is there again", async () => {
    const { close, page } = await openTab(browser, { base })
    await page.goto("/")
    await shows(page, "Live")
    await api.stop("SIGKILL")
    await page.click("#pages >> text=Outbox")
    await shows(page, "This page goes on as soon as it does.")
    api = startProgram("api", { ...programsEnv(proxy), WORDLOOM_HTTP_PORT: new URL(base).port })
    await until("its rows", async () => await page.locator("tbody tr").count() === 2)
    assert.strictEqual(await page.locator("text=This page goes on as soon as it does.").count(), 0)
    await close()
  })
})
