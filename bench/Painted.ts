/** What a person waits for a page of the console: from the navigation until what is looked for is painted. */
import type { Browser, Page } from "playwright-core"
import { openTab } from "../test/support/Browser.ts"

/** A page, and what in it is waited for. */
export interface Look {
  readonly what: string
  readonly path: string
  readonly selector: string
}

/**
 * Says when what `selector` names has been there for a frame. On the console, since anything else that waits for it
 * would first load the driver's own scripts into the page, which takes longer than the page itself.
 */
const telling = `(selector) => {
  const told = () => console.debug("painted " + performance.now())
  const watching = new MutationObserver(() => {
    if (document.querySelector(selector) === null) return
    watching.disconnect()
    requestAnimationFrame(() => setTimeout(told))
  })
  watching.observe(document, { childList: true, subtree: true })
}`

const said = /^painted ([\d.]+)$/

const visit = async (page: Page, path: string) => {
  const told = page.waitForEvent("console", (message) => said.test(message.text()))
  await page.goto(path, { waitUntil: "commit" })
  return Number(said.exec((await told).text())![1])
}

/** Milliseconds of a visit with nothing kept, and of the next one in the same tab. */
export const painted = async (browser: Browser, base: string, { path, selector }: Look) => {
  const { close, page } = await openTab(browser, { base })
  try {
    await page.addInitScript(`(${telling})(${JSON.stringify(selector)})`)
    return { first: await visit(page, path), second: await visit(page, path) }
  } finally {
    await close()
  }
}
