/** The overview tells of workers and what they hold: at work, killed in the middle of it, and replaced. */
import { assert, describe, it } from "@effect/vitest"
import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll } from "vitest"
import { barriers, missingBrowser, openBrowser, openTab } from "../support/Browser.ts"
import { type Program, startProgram, until } from "../support/Programs.ts"
import { newTag, programsEnv, type RunningApi, runningApi } from "../support/RunningApi.ts"

const suite = missingBrowser === undefined ? describe : describe.skip

suite(`the console's workers${missingBrowser === undefined ? "" : `: ${missingBrowser}`}`, () => {
  let running: RunningApi
  let browser: Browser
  const workers: Array<Program> = []

  beforeAll(async () => {
    running = await runningApi()
    browser = await openBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await Promise.all(workers.map((worker) => worker.stop()))
    await running?.stop()
  })

  const startWorker = (id: string) => {
    const worker = startProgram("worker", {
      ...programsEnv(running.database),
      OUTBOX_WORKER_ID: id,
      OUTBOX_PROJECTIONS: "search",
      OUTBOX_POLL_INTERVAL: "50ms",
      OUTBOX_LEASE: "4s",
      WORDLOOM_LOG_LEVEL: "info"
    })
    workers.push(worker)
    return worker
  }
  /** A worker's first row: its state, what it drains, since when, of what, rows, for how long, what is left. */
  const rowOf = async (page: Page, id: string) =>
    (await page.locator("section:has(#workers) tbody tr").filter({ hasText: id }).first()
      .locator("td").allInnerTexts()).map((text) => text.trim())
  const shows = (page: Page, id: string, what: string, isShown: (cells: ReadonlyArray<string>) => boolean) =>
    until(`${id} to be shown ${what}`, async () => {
      const count = await page.locator("section:has(#workers) tbody tr").filter({ hasText: id }).count()
      const cells = count === 0 ? [] : await rowOf(page, id)
      return isShown(cells) ? cells : undefined
    })

  it("shows what a killed worker still holds and when that ends, until another one has it", async () => {
    const tab = await openTab(browser, { base: running.base })
    const { page } = tab
    await page.goto("/")
    await page.waitForSelector("text=No worker is connected.")
    await newTag(running.call)
    // A delivery reads it, so that the worker stands still in the middle of one.
    const lock = await running.database.hold("lock table tags in access exclusive mode")
    const killed = startWorker("w-killed")
    const busy = await shows(page, "w-killed", "at work", ([, , , , rows]) => rows === "1")
    assert.strictEqual(busy[0], "connected")
    assert.deepStrictEqual([busy[1], busy[3]], ["search", "search"])
    assert.match(busy[6]!, /^[\d.]+ m?s$/)

    await killed.stop("SIGKILL")
    const gone = await shows(page, "w-killed", "gone", ([state]) => state === "gone")
    assert.strictEqual(gone[4], "1")
    await shows(page, "w-killed", "past its lease", ([, , , , , , left]) => left?.startsWith("over for") === true)
    assert.deepStrictEqual(await barriers(page), [])

    await lock.release()
    startWorker("w-next")
    const next = await shows(page, "w-next", "with nothing left to do", ([, , , of]) => of === "nothing")
    assert.strictEqual(next[0], "connected")
    await shows(page, "w-killed", "no more", ({ length }) => length === 0)
    assert.deepStrictEqual(tab.complaints, [])
    await tab.close()
  })
})
