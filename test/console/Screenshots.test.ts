/** `npm run screenshots`: the pictures in docs, of a real system, in a real browser. */
import { describe, it } from "@effect/vitest"
import { fileURLToPath } from "node:url"
import type { Browser, Page } from "playwright-core"
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

  /** The small charts need something to show: a look is one point. */
  const moments = async (page: Page, count: number) => {
    const shown = () => page.locator(".spark polyline").first().getAttribute("points")
    for (let moment = 0; moment < count; moment++) {
      const before = await shown()
      const busy = [0, 1, 2].slice(moment % 3)
      for (const each of busy) {
        await running.call("POST", "/api/v1/tags", { json: { name: `seen ${moment} ${each}`, color: "#3B4BC8" } })
      }
      await until("the next moment", async () => await shown() !== before)
    }
  }

  const take = async (
    name: string,
    path: string,
    sign: string,
    options: Partial<TabOptions> & { readonly points?: number } = {}
  ) => {
    const { close, page } = await openTab(browser, { base: running.base, ...options })
    await page.goto(path)
    await until(sign, async () => (await page.innerText("body")).includes(sign))
    if (options.points !== undefined) await moments(page, options.points)
    await page.locator(".fall").first().scrollIntoViewIfNeeded({ timeout: 100 }).catch(() => {})
    const file = fileURLToPath(new URL(`../../docs/${name}.png`, import.meta.url))
    await page.screenshot({ path: file, animations: "disabled" })
    await close()
  }

  it("shows the dead letters", () => take("console-dead", "/dead", "es_mapping", { height: 640 }))
  it("shows what happened to a change", () =>
    take("console-explain", `/explain?block=${blocks[0]!["id"]}`, "back-off", { height: 1_400 }))
  it("shows the same in the dark, on a phone", () =>
    take("console-explain-phone", `/explain?block=${blocks[0]!["id"]}`, "back-off", {
      theme: "dark",
      width: 390,
      height: 844
    }))
  it("shows the outboxes", async () => {
    await running.call("POST", "/api/v1/outbox/search/pause", { json: { reason: "Elasticsearch is being upgraded" } })
    await take("console-overview", "/", "Live", { height: 820, points: 25 })
  })
})
