/** The console on a phone, and with titles that are long or turn their direction. */
import { assert, describe, it } from "@effect/vitest"
import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll } from "vitest"
import { missingBrowser, openBrowser, openTab, shows, type TabOptions } from "../support/Browser.ts"
import { until } from "../support/Programs.ts"
import { type RunningApi, runningApi } from "../support/RunningApi.ts"
import { bury, delivered, written } from "./Scene.ts"

const suite = missingBrowser === undefined ? describe : describe.skip

suite(`the console's titles${missingBrowser === undefined ? "" : `: ${missingBrowser}`}`, () => {
  let running: RunningApi
  let browser: Browser

  beforeAll(async () => {
    running = await runningApi({ worker: true, env: { WORDLOOM_TRACING: "local" } })
    browser = await openBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await running?.stop()
  })

  const settled = async (page: Page) => {
    await page.waitForSelector("main h1")
    await until("what was asked for", async () => await page.locator("main .loading").count() === 0)
  }
  const open = async (path: string, options: Partial<TabOptions> = {}) => {
    const tab = await openTab(browser, { base: running.base, ...options })
    await tab.page.goto(path)
    await settled(tab.page)
    return tab
  }

  it("keeps titles without a gap, and tables with all that is in them, within a phone", async () => {
    const [block] = await written(running, [`w${"o".repeat(300)}`], "weasels")
    const search = await delivered(running, block!["id"])
    const { page } = await open("/", { width: 360, height: 640 })
    const fits = async (what: string) =>
      assert.strictEqual(await page.evaluate("document.documentElement.scrollWidth"), 360, what)
    for (const path of [`/explain?block=${block!["id"]}`, "/search?q=weasels", "/chronicle"]) {
      await page.goto(path)
      await settled(page)
      await page.locator("main li, main article").first().waitFor()
      await fits(path)
    }
    await bury(running, search, "es_too_large", "made by a test")
    await page.goto("/dead")
    await page.click("text=Show rows")
    await page.locator("tbody button").first().waitFor({ state: "attached" })
    await fits("dead letters with their rows")
    await running.call("POST", "/api/v1/outbox/replay", { json: { projection: "search", error_type: "es_too_large" } })
    await delivered(running, block!["id"])
  })

  it("shows on a phone which page one is on", async () => {
    const { page } = await open("/chronicle", { width: 360, height: 640 })
    const place = await page.locator("#pages a[aria-current]").boundingBox()
    assert.isAtMost(place!.x + place!.width, 360)
  })

  it("does not let a title that turns its direction turn what stands around it", async () => {
    const [block] = await written(running, ["voles \u202egnp.exe"], "voles")
    const { page } = await open(`/explain?block=${block!["id"]}`)
    const title = page.locator("article h2 bdi")
    assert.strictEqual(await title.textContent(), block!["title"])
    await page.goto("/chronicle")
    await shows(page, /voles/)
    assert.strictEqual(
      await page.evaluate("getComputedStyle(document.querySelector('.changes .value')).unicodeBidi"),
      "isolate"
    )
  })
})
