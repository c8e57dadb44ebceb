/** The page that says what happened to a change, with the product's own answers. */
import { assert, describe, it } from "@effect/vitest"
import type { Browser } from "playwright-core"
import { afterAll, beforeAll } from "vitest"
import { barriers, missingBrowser, openBrowser, openTab, shows, type TabOptions } from "../support/Browser.ts"
import { until } from "../support/Programs.ts"
import { created, newLibrary, newTag, type RunningApi, runningApi } from "../support/RunningApi.ts"
import { delivered, refused, type Row, troubled, written } from "./Scene.ts"

const suite = missingBrowser === undefined ? describe : describe.skip

suite(`the explain page${missingBrowser === undefined ? "" : `: ${missingBrowser}`}`, () => {
  let running: RunningApi
  let browser: Browser
  let block: Row
  let dead: Row

  beforeAll(async () => {
    const env = { WORDLOOM_TRACING: "local", WORDLOOM_TRACE_URL: "http://localhost:16686/trace/{trace_id}" }
    running = await runningApi({ worker: true, env })
    browser = await openBrowser()
    const blocks = await written(running, ["An otter at the weir", "Two otters"], "otters")
    block = blocks[0]!
    dead = blocks[1]!
    await troubled(running, await delivered(running, block["id"]))
    await refused(running, dead, "es_mapping", "no such field")
  })
  afterAll(async () => {
    await browser?.close()
    await running?.stop()
  })

  const open = async (path: string, options: Partial<TabOptions> = {}) => {
    const tab = await openTab(browser, { base: running.base, ...options })
    await tab.page.goto(path)
    return tab
  }
  const answerTo = async (query: string) => (await running.call("GET", `/api/v1/explain?${query}`)).body as Row

  it.for([["light", 1_200], ["dark", 1_200], ["light", 360]] as const)(
    "draws waits, attempts and back-off apart, and can be used by everyone: %s, %i pixels",
    async ([theme, width]) => {
      const { close, complaints, page } = await open(`/explain?block=${block["id"]}`, { theme, width })
      const told = await answerTo(`block=${block["id"]}`)
      await shows(page, told["sentence"])
      const search = page.locator("section.delivery").first()
      const segments = told["changes"][0].deliveries[0].timeline as ReadonlyArray<Row>
      assert.strictEqual(await search.locator(".fall tbody tr").count(), segments.length)
      for (const kind of ["queue", "attempts", "backoff"]) {
        const drawn = await search.locator(`.track .bar.${kind}`).count()
        assert.strictEqual(drawn, segments.filter(({ stage }) => stage === kind).length, kind)
        assert.isAbove(drawn, 0, kind)
      }
      const looks = await Promise.all(
        ["queue", "attempts", "backoff"].map((kind) =>
          search.locator(`.track .bar.${kind}`).first().evaluate((bar) =>
            (globalThis as any).getComputedStyle(bar).backgroundImage as string
          )
        )
      )
      assert.strictEqual(new Set(looks).size, 3, "each has a hatching of its own")
      await shows(page, "es_429")
      await shows(page, "es_timeout")
      assert.strictEqual(await page.evaluate("document.documentElement.scrollWidth"), width)
      assert.deepStrictEqual(await barriers(page), [])
      assert.deepStrictEqual(complaints, [])
      await close()
    }
  )

  it("gives the same answer by entity, event, request and trace, and keeps it under one address", async () => {
    const row = await delivered(running, block["id"])
    const asked = [
      `block/${block["id"]}`,
      `search/${row["id"]}`,
      `request/${row["request_id"]}`,
      String(row["trace_id"]),
      String(block["id"])
    ]
    const { close, page } = await open("/explain")
    for (const what of asked) {
      await page.goto("/explain")
      await page.fill("input[name=what]", what)
      await page.keyboard.press("Enter")
      await shows(page, "An otter at the weir")
      await page.reload()
      await shows(page, "An otter at the weir")
    }
    assert.match(page.url(), /\/explain\?block=/)
    await page.fill("input[name=what]", "otters?")
    await page.keyboard.press("Enter")
    await shows(page, "neither an id nor kind/id")
    await close()
  })

  it("leads to the trace, copies the link and the JSON", async () => {
    const { close, page } = await open(`/explain?block=${block["id"]}`)
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"])
    await shows(page, "Copy as JSON")
    const { trace_id, trace_url } = (await answerTo(`block=${block["id"]}`))["changes"][0]
    assert.include(trace_url, trace_id)
    assert.strictEqual(await page.getAttribute("text=Open the trace", "href"), trace_url)
    await page.click("text=Copy as JSON")
    await shows(page, "Copied.")
    const copied = JSON.parse(await page.evaluate<string>("navigator.clipboard.readText()"))
    assert.strictEqual(copied.changes[0].entity.id, block["id"])
    await page.click("text=Copy link")
    await until("the link", async () => await page.evaluate<string>("navigator.clipboard.readText()") === page.url())
    await close()
  })

  it("names the verdict and the next step of what is dead", async () => {
    const { close, page } = await open(`/explain?block=${dead["id"]}`)
    const told = await answerTo(`block=${dead["id"]}`)
    assert.strictEqual(told["verdict"], "dead")
    await shows(page, told["sentence"])
    for (const { command } of told["steps"]) if (command !== null) await shows(page, command)
    await close()
  })

  it("says that there is no trace where tracing was off, and what nobody recorded, and tells the rest", async () => {
    await running.database.query(
      "update outbox_done set traceparent = null, engine_ms = null where entity_id = $1",
      block["id"]
    )
    const { close, page } = await open(`/explain?block=${block["id"]}`)
    await shows(page, "No trace.")
    await shows(page, /Part of the picture is missing\. Nobody recorded: .*engine/)
    assert.isAbove(await page.locator(".fall tbody tr").count(), 0)
    await close()
  })

  it("follows a change until it is in place", async () => {
    await running.call("POST", "/api/v1/outbox/search/pause")
    const tag = await newTag(running.call)
    const { close, page } = await open(`/explain?tag=${tag["id"]}`)
    await shows(page, (await answerTo(`tag=${tag["id"]}`))["sentence"].slice(0, 20))
    await shows(page, "paused")
    await running.call("POST", "/api/v1/outbox/search/resume")
    await shows(page, "searchable")
    await close()
  })

  it("says of what nobody knows that nobody knows it", async () => {
    const { close, page } = await open("/explain?block=01a2239a-0000-75df-9132-2b8878caed09")
    await shows(page, "not found")
    await close()
  })

  it("shows what anybody wrote as text", async () => {
    const library = await newLibrary(running.call)
    const title = "<img src=x onerror=alert(1)>"
    const { id } = await created(running.call, "blocks", { library_id: library["id"], title, body: "b" })
    const { close, complaints, page } = await open(`/explain?block=${id}`)
    await shows(page, title)
    assert.strictEqual(await page.locator("main img").count(), 0)
    assert.deepStrictEqual(complaints, [])
    await close()
  })
})
