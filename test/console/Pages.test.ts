/** The console in a real browser: every page with real data, in both themes, by keyboard, on a phone. */
import { assert, describe, it } from "@effect/vitest"
import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll } from "vitest"
import { barriers, missingBrowser, openBrowser, openTab, shows, type Tab, type TabOptions } from "../support/Browser.ts"
import { until } from "../support/Programs.ts"
import { newTag, type RunningApi, runningApi } from "../support/RunningApi.ts"
import { bury, delivered, type Row, written } from "./Scene.ts"

const hostile = "<img src=x onerror=alert(1)> & \"quoted\" <script>alert(2)</script>"
const pages = ["/", "/outbox", "/dead", "/search?q=otter", "/chronicle", "/explain"]

const suite = missingBrowser === undefined ? describe : describe.skip

suite(`the console${missingBrowser === undefined ? "" : `: ${missingBrowser}`}`, () => {
  let running: RunningApi
  let browser: Browser
  let blocks: ReadonlyArray<Row>
  const tabs: Array<Tab> = []

  beforeAll(async () => {
    running = await runningApi({ worker: true, env: { WORDLOOM_TRACING: "local" } })
    browser = await openBrowser()
    blocks = await written(running, ["An otter at the weir", "Two otters", "Otter tracks", hostile], "otters")
  })
  afterAll(async () => {
    await Promise.all(tabs.map(({ close }) => close()))
    await browser?.close()
    await running?.stop()
  })

  const open = async (path: string, options: Partial<TabOptions> = {}) => {
    const tab = await openTab(browser, { base: running.base, ...options })
    tabs.push(tab)
    await tab.page.goto(path)
    await settled(tab.page)
    return tab
  }
  /** What it asked for has been drawn. */
  const settled = async (page: Page) => {
    await page.waitForSelector("main h1")
    await until(
      "what was asked for",
      async () =>
        await page.locator("main .loading").count() === 0 && !(await page.innerText("main")).includes("Connecting")
    )
  }
  const focusedOn = (page: Page) => page.evaluate<string>("document.activeElement.textContent.trim()")
  const search = (done: Row) => done["projections"].find((one: Row) => one["projection"] === "search")

  it.for(["light", "dark"] as const)(
    "can be used by everyone, and breaks no rule of its own, in the %s theme",
    async (theme) => {
      const tab = await open("/", { theme })
      for (const path of pages) {
        await tab.page.goto(path)
        await settled(tab.page)
        assert.deepStrictEqual(await barriers(tab.page), [], path)
      }
      assert.deepStrictEqual(tab.complaints, [])
    }
  )

  it("fits on a phone", async () => {
    const tab = await open("/", { width: 360, height: 640 })
    for (const path of pages) {
      await tab.page.goto(path)
      await settled(tab.page)
      assert.strictEqual(await tab.page.evaluate("document.documentElement.scrollWidth"), 360, path)
      assert.deepStrictEqual(await barriers(tab.page), [], path)
    }
  })

  it("shows what happens while it happens", async () => {
    const { page } = await open("/")
    await shows(page, "Every change is delivered.")
    await shows(page, "Live")
    await running.call("POST", "/api/v1/outbox/search/pause", { json: { reason: "to see a backlog" } })
    await Promise.all([newTag(running.call), newTag(running.call)])
    await shows(page, "Search is paused, 2 waiting.")
    await shows(page, /to see a backlog/)
    await page.click("text=Resume")
    await shows(page, "search is resumed.")
    await shows(page, "Every change is delivered.")
  })

  it("shows the overview without a script, and a script then draws the same", async () => {
    /** Without the order of attributes, and what is another figure a moment later. */
    const drawn = async (page: Page) => {
      const parts = await page.locator("main h1, main .verdict, main .cards, main section:has(#workers)")
        .evaluateAll((all) => {
          const told = (node: any): string => {
            if (node.nodeType === 3) return node.data
            if (node.nodeType !== 1) return ""
            const attributes = [...node.attributes].map(({ name, value }) => ` ${name}="${value}"`).toSorted().join("")
            return `<${node.tagName}${attributes}>${[...node.childNodes].map(told).join("")}`
          }
          return all.map(told)
        })
      return parts.join("\n").replaceAll(/(\d[\d.,:TZ-]*( (µs|ms|s|min|h)\b)?\s?)+(ago)?|just now/g, "0")
    }
    await running.call("POST", "/api/v1/outbox/chronicle/pause", { json: { reason: hostile } })
    try {
      const tab = await openTab(browser, { base: running.base, scripts: false })
      tabs.push(tab)
      const { page: plain } = tab
      await plain.goto("/")
      assert.strictEqual(await plain.locator("button:visible, input:visible").count(), 0)
      assert.strictEqual(await plain.locator("noscript p:visible").count(), 1)
      const { page } = await open("/")
      await shows(page, "Live")
      assert.strictEqual(await drawn(page), await drawn(plain))
    } finally {
      await running.call("POST", "/api/v1/outbox/chronicle/resume")
    }
  })

  it("asks before it pauses, and keeps the keyboard in the question", async () => {
    const { page } = await open("/")
    await page.focus("text=Pause search")
    await page.keyboard.press("Enter")
    await page.waitForSelector("dialog[open]")
    assert.deepStrictEqual(await barriers(page), [])
    await page.keyboard.press("Escape")
    await page.waitForSelector("dialog:not([open])", { state: "attached" })
    assert.match(await focusedOn(page), /^Pause\s+search$/)
    const { body } = await running.call("GET", "/api/v1/outbox/overview")
    assert.isFalse(search(body).paused)
  })

  it("writes a tag, says when it is found, and leads to what happened", async () => {
    const { complaints, page } = await open("/")
    await page.fill("input[name=name]", `tried ${Date.now()}`)
    await page.click("text=Write, and follow it")
    await shows(page, /found by search after/)
    assert.match((await page.getAttribute("text=Explain what happened", "href"))!, /^\/explain\?tag=[0-9a-f-]{36}$/)
    assert.deepStrictEqual(complaints, [])
  })

  it("lists rows by what is asked for, page by page", async () => {
    const { page } = await open(`/outbox?entity_id=${blocks[0]!["id"]}`)
    assert.strictEqual(await page.locator("tbody tr").count(), 2)
    await page.selectOption("select[name=projection]", "chronicle")
    await page.click("text=Filter")
    await until("the address to say so", () => page.url().includes("projection=chronicle"))
    await until("one row", async () => await page.locator("tbody tr").count() === 1)
    await page.goto("/outbox?status=dead&projection=realtime")
    await shows(page, "No row is like that.")
    await page.goBack()
    await until("one row again", async () => await page.locator("tbody tr").count() === 1)
  })

  it("shows what anybody wrote as text, wherever it stands", async () => {
    const { complaints, page } = await open("/search?q=onerror")
    await shows(page, hostile)
    assert.strictEqual(await page.locator("main img, main script").count(), 0)
    assert.include(await page.locator("main mark").allTextContents(), "onerror")
    await page.goto(`/chronicle?entity_id=${blocks[3]!["id"]}`)
    await shows(page, hostile)
    assert.strictEqual(await page.locator("main img, main script").count(), 0)
    assert.deepStrictEqual(complaints, [])
  })

  it("sends ids to be explained, and words to be searched", async () => {
    const { page } = await open("/")
    await page.fill("#find input", "otter")
    await page.keyboard.press("Enter")
    await shows(page, /found by postgres/)
    assert.match(page.url(), /\/search\?q=otter$/)
    await page.fill("#find input", `block/${blocks[0]!["id"]}`)
    await page.keyboard.press("Enter")
    await until("the address", () => page.url().endsWith(`/explain?block=${blocks[0]!["id"]}`))
  })

  it("is walked through with the keyboard alone", async () => {
    const { page } = await open("/")
    const focused = () => focusedOn(page)
    const press = async (key: string, until: string) => {
      for (let presses = 0; presses < 40; presses++) {
        await page.keyboard.press(key)
        if (await focused() === until) return
      }
      assert.fail(`${key} never reached ${until}`)
    }
    await page.keyboard.press("Tab")
    assert.strictEqual(await focused(), "Skip to the content")
    await press("Tab", "Chronicle")
    await page.keyboard.press("Enter")
    await settled(page)
    assert.strictEqual(await focused(), "Chronicle")
    assert.strictEqual(await page.evaluate("document.activeElement.tagName"), "H1")
    await shows(page, "Two otters")
    await page.goBack()
    await shows(page, "Every change is delivered.")
    assert.strictEqual(await focused(), "Overview")
    await press("Shift+Tab", "Outbox")
    await page.keyboard.press("Enter")
    await settled(page)
    await press("Tab", "Filter")
    await press("Tab", "Refresh")
    await page.keyboard.press("Enter")
    await settled(page)
    assert.strictEqual(await focused(), "Refresh")
  })

  it("turns dark when it is told to, and stays so", async () => {
    const { page } = await open("/")
    const paper = () => page.evaluate("getComputedStyle(document.body).backgroundColor")
    const light = await paper()
    await page.click("#theme")
    const dark = await paper()
    assert.notStrictEqual(dark, light)
    assert.strictEqual(await page.getAttribute("#theme", "aria-pressed"), "true")
    await page.reload()
    await settled(page)
    assert.strictEqual(await paper(), dark)
    await page.click("#theme")
    assert.strictEqual(await paper(), light)
  })

  describe("dead letters", () => {
    const buryAll = async () => {
      const rows = await Promise.all(blocks.map(({ id }) => delivered(running, id)))
      for (const [at, row] of rows.entries()) {
        await bury(running, row, at < 3 ? "es_mapping" : "es_4xx", "made by a test")
      }
      return rows
    }
    const deadNow = async () =>
      (await running.call("GET", "/api/v1/outbox/dead-letters")).body.groups.reduce(
        (sum: number, { count }: Row) => sum + count,
        0
      ) as number

    it("come back on the page when what was replayed dies again", async () => {
      const row = await delivered(running, blocks[0]!["id"])
      await bury(running, row, "es_too_large", "made by a test")
      const { page } = await open("/dead")
      await page.click("text=Replay all")
      await page.click("dialog button[value=yes]")
      await shows(page, "No dead letters.")
      await bury(running, await delivered(running, blocks[0]!["id"]), "es_too_large", "made by a test again")
      await shows(page, "made by a test again")
      await running.call("POST", "/api/v1/outbox/replay", {
        json: { projection: "search", error_type: "es_too_large" }
      })
      await shows(page, "No dead letters.")
    })

    it("are grouped by reason, and replayed one by one, some together, or all of a reason", async () => {
      await buryAll()
      const { complaints, page } = await open("/dead")
      await shows(page, "es_mapping")
      const group = page.locator("section.group", { hasText: "es_mapping" })
      await group.locator("text=Show rows").click()
      await until("three rows", async () => await group.locator("tbody tr").count() === 3)
      assert.deepStrictEqual(await barriers(page), [])
      await group.locator("tbody button").first().click()
      await shows(page, "1 row replayed")
      await until("three dead", async () => await deadNow() === 3)

      await group.locator("text=Show rows").click()
      await until("two rows", async () => await group.locator("tbody tr").count() === 2)
      for (const box of await group.locator("input[type=checkbox]").all()) {
        await box.focus().then(() => page.keyboard.press("Space"))
      }
      await group.locator("text=Replay 2 chosen rows").click()
      await shows(page, "2 rows replayed")
      await until("one dead", async () => await deadNow() === 1)

      const other = page.locator("section.group", { hasText: "es_4xx" })
      await other.locator("text=Replay all").click()
      await page.click("dialog button[value=no]")
      assert.strictEqual(await deadNow(), 1)
      await other.locator("text=Replay all").click()
      await page.click("dialog button[value=yes]")
      await shows(page, "1 row replayed")
      await shows(page, "No dead letters.")
      assert.strictEqual(await deadNow(), 0)
      for (const { id } of blocks) await delivered(running, id)
      assert.deepStrictEqual(complaints, [])
    })
  })

  it("shows no more than it counted of a large backlog", async () => {
    await running.call("POST", "/api/v1/outbox/search/pause")
    await running.database.query(
      `insert into outbox_search (entity_type, entity_id, entity_version, op)
       select 'tag', gen_random_uuid(), 1, 'upsert' from generate_series(1, 10050)`
    )
    const { page } = await open("/")
    await shows(page, "10,000+ waiting")
    await running.database.query("truncate outbox_search")
    await running.call("POST", "/api/v1/outbox/search/resume")
    await shows(page, "Every change is delivered.")
  })
})
