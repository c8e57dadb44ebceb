/** What a person waits for a page of the console: from the navigation until its figures are painted, nothing cached. */
import { openBrowser, openTab } from "../test/support/Browser.ts"

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

/** Milliseconds of each of so many first visits; one more before them, which the browser itself needs to begin. */
export const painted = async (base: string, path: string, selector: string, visits: number) => {
  const browser = await openBrowser()
  try {
    const all: Array<number> = []
    for (let visit = 0; visit <= visits; visit++) {
      const { close, page } = await openTab(browser, { base })
      await page.addInitScript(`(${telling})(${JSON.stringify(selector)})`)
      const told = page.waitForEvent("console", (message) => said.test(message.text()))
      await page.goto(path, { waitUntil: "commit" })
      all.push(Number(said.exec((await told).text())![1]))
      await close()
    }
    return all.slice(1)
  } finally {
    await browser.close()
  }
}
