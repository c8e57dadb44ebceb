/** A real browser, as people use: Debian's Chromium, driven by playwright-core, which brings none of its own. */
import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { type Browser, chromium, type Page } from "playwright-core"
import { until } from "./Programs.ts"

const places = [process.env["WORDLOOM_TEST_CHROMIUM"] ?? "", "/usr/bin/chromium", "/usr/bin/chromium-browser"]
const place = places.find((path) => path !== "" && existsSync(path))

/** Why a suite is skipped. */
export const missingBrowser = place === undefined ? "no Chromium is installed: apt-get install chromium" : undefined

/** Asks nothing of the network by itself, and needs neither a screen nor another user than root. */
const quietly = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync"
]

export const openBrowser = (): Promise<Browser> => chromium.launch({ executablePath: place!, args: quietly })

export interface Tab {
  readonly page: Page
  /** What the browser complained of: errors, and whatever the content security policy refused. */
  readonly complaints: ReadonlyArray<string>
  readonly close: () => Promise<void>
}

export interface TabOptions {
  readonly base: string
  readonly theme?: "light" | "dark"
  readonly width?: number
  readonly height?: number
  /** `false`: the browser runs none. */
  readonly scripts?: boolean
}

export const openTab = async (browser: Browser, options: TabOptions): Promise<Tab> => {
  const { base, height = 800, scripts = true, theme = "light", width = 1_200 } = options
  const context = await browser.newContext({
    baseURL: base,
    colorScheme: theme,
    javaScriptEnabled: scripts,
    reducedMotion: "reduce",
    viewport: { width, height }
  })
  const page = await context.newPage()
  const complaints: Array<string> = []
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text())
  })
  page.on("pageerror", (error) => complaints.push(error.message))
  return { page, complaints, close: () => context.close() }
}

export const shows = (page: Page, text: string | RegExp) =>
  until(`the page to show ${text}`, async () => {
    const shown = await page.innerText("body")
    return typeof text === "string" ? shown.includes(text) : text.test(shown)
  })

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")

/** What keeps somebody from using the page, as axe finds it: rule and place. */
export const barriers = async (page: Page): Promise<ReadonlyArray<string>> => {
  await page.evaluate(axe)
  return page.evaluate(async () => {
    const { violations } = await (globalThis as any).axe.run()
    return violations.flatMap(({ id, nodes }: any) =>
      nodes.map(({ failureSummary, html }: any) => `${id}: ${html} ${failureSummary}`)
    )
  })
}
