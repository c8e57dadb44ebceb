/** `npm run screenshots`: the pictures in docs, of a real system, in a real browser. */
import { describe, it } from "@effect/vitest"
import { fileURLToPath } from "node:url"
import type { Browser } from "playwright-core"
import { afterAll, beforeAll } from "vitest"
import { missingBrowser, openBrowser, openTab, type TabOptions } from "../support/Browser.ts"
import { until } from "../support/Programs.ts"
import { type RunningApi, runningApi } from "../support/RunningApi.ts"
import { bury, delivered, type Row, troubled, written } from "./Scene.ts"

const why = missingBrowser ??
  (process.env["WORDLOOM_TEST_SCREENSHOTS"] === "1" ? undefined : "only npm run screenshots takes them")
const suite = why === undefined ? describe : describe.skip

const titles = [
  "An otter at the weir",
  "Two otters",
  "Otter tracks on the left bank",
  "Kits, first seen",
  "A night watch"
]

suite(`pictures of the console${why === undefined ? "" : `: ${why}`}`, () => {
  let running: RunningApi
  let browser: Browser
  let blocks: ReadonlyArray<Row>

  beforeAll(async () => {
    running = await runningApi({
      worker: true,
      env: {
        WORDLOOM_TRACING: "local",
        OUTBOX_WORKER_ID: "worker-1",
        WORDLOOM_TRACE_URL: "http://localhost:16686/trace/{trace_id}"
      }
    })
    browser = await openBrowser()
    blocks = await written(running, titles, "otters")
    await written(running, ["A heron", "The heron again", "Heronry, counted from the road"], "herons")
    const rows = await Promise.all(blocks.map(({ id }) => delivered(running, id)))
    await troubled(running, rows[0]!)
    for (const row of rows.slice(1, 4)) {
      await bury(running, row, "es_mapping", "failed to parse field [body] of type [text]")
    }
    await bury(running, rows[4]!, "es_4xx", "Limit of total fields [1000] has been exceeded")
  })
  afterAll(async () => {
    await browser?.close()
    await running?.stop()
  })

  const take = async (name: string, path: string, sign: string, options: Partial<TabOptions> = {}) => {
    const { close, page } = await openTab(browser, { base: running.base, ...options })
    await page.goto(path)
    await until(sign, async () => (await page.innerText("body")).includes(sign))
    const prepare = name.startsWith("console-overview") ? 12 : 1
    // The small charts need something to show: a look is one point.
    for (let moments = 0; moments < prepare; moments++) {
      const before = await page.locator(".spark polyline").first().getAttribute("points").catch(() => null)
      if (before === null || prepare === 1) break
      await running.call("POST", "/api/v1/tags", { json: { name: `${name} ${moments}`, color: "#3B4BC8" } })
      await until(
        "the next moment",
        async () => await page.locator(".spark polyline").first().getAttribute("points") !== before
      )
    }
    const file = fileURLToPath(new URL(`../../docs/${name}.png`, import.meta.url))
    await page.screenshot({ path: file, fullPage: true, animations: "disabled" })
    await close()
  }

  it("shows the dead letters", () => take("console-dead", "/dead", "es_mapping", { height: 500 }))
  it("shows what happened to a change", () =>
    take("console-explain", `/explain?block=${blocks[0]!["id"]}`, "back-off", { height: 600 }))
  it("shows the same in the dark, on a phone", () =>
    take("console-explain-phone", `/explain?block=${blocks[0]!["id"]}`, "back-off", { theme: "dark", width: 390 }))
  it("shows the outboxes", async () => {
    await running.call("POST", "/api/v1/outbox/search/pause", { json: { reason: "Elasticsearch is being upgraded" } })
    await take("console-overview", "/", "Live", { height: 600 })
  })
})
