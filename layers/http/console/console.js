/** Which page is shown: every page has an address of its own, and going there asks the server for data only. */
import { html, render } from "lit-html"
import { fieldsOf, go } from "./around.js"
import { explainable, withoutSlash } from "./format.js"
import { begin as chronicle } from "./pages/chronicle.js"
import { begin as dead } from "./pages/dead.js"
import { begin as explain } from "./pages/explain.js"
import { begin as outbox } from "./pages/outbox.js"
import { begin as overview } from "./pages/overview.js"
import { begin as search } from "./pages/search.js"
/** @import { Begin, Shown } from "./Answers.ts" */

/** @type {Readonly<Record<string, Begin>>} */
const pages = {
  "/": overview,
  "/outbox": outbox,
  "/dead": dead,
  "/explain": explain,
  "/search": search,
  "/chronicle": chronicle
}

const main = /** @type {HTMLElement} */ (document.getElementById("main"))
const find = /** @type {HTMLFormElement} */ (document.getElementById("find"))

/** @type {Shown | undefined} */
let shown

/** The server has drawn the overview, with its first figures: they stay until there are others. */
let isDrawn = main.querySelector(".cards") !== null
if (!isDrawn) main.replaceChildren()

/** @param {Shown} page */
const draw = (page) => {
  if (page !== shown || isDrawn && page.isEmpty?.() === true) return
  if (isDrawn) main.replaceChildren()
  isDrawn = false
  render(html`<h1 tabindex="-1">${page.title}</h1>${page.view()}`, main)
  document.title = `${page.title} · Wordloom`
}

/** @param {boolean} isFirst then the browser has already said where one is */
const show = (isFirst) => {
  const path = withoutSlash(location.pathname)
  const begin = pages[path] ?? overview
  shown?.stop?.()
  let isReady = false
  /** @type {Shown} */
  const page = begin(new URLSearchParams(location.search), () => {
    if (isReady) draw(page)
  })
  isReady = true
  shown = page
  draw(page)
  for (const link of document.querySelectorAll("#pages a")) {
    if (link.getAttribute("href") !== path) {
      link.removeAttribute("aria-current")
      continue
    }
    link.setAttribute("aria-current", "page")
    link.scrollIntoView({ block: "nearest", inline: "nearest" })
  }
  if (isFirst) return
  scrollTo(0, 0)
  main.querySelector("h1")?.focus({ preventScroll: true })
}

/** @param {string} href */
const goTo = (href) => {
  if (href !== location.pathname + location.search) history.pushState(null, "", href)
  show(false)
}

addEventListener("popstate", () => show(false))
addEventListener("go", (event) => goTo(/** @type {CustomEvent<string>} */ (event).detail))
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null
  if (link === null || event.defaultPrevented || event.button !== 0) return
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
  const { hash, origin, pathname, search: query } = /** @type {HTMLAnchorElement} */ (link)
  if (origin !== location.origin || pages[withoutSlash(pathname)] === undefined || hash !== "") return
  event.preventDefault()
  goTo(pathname + query)
})
find.addEventListener("submit", (event) => {
  const { q } = fieldsOf(event)
  if (q === undefined) return
  const asked = explainable(q)
  go(asked === undefined ? `/search?${new URLSearchParams({ q })}` : `/explain?${new URLSearchParams(asked)}`)
  find.reset()
})

show(true)
