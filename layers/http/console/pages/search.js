/** What searches find, with what was found marked. */
import { html, nothing } from "lit-html"
import { get, withQuery } from "../api.js"
import { fieldsOf, go } from "../around.js"
import { unescaped } from "../format.js"
import { latest } from "../latest.js"
import { empty, explained, loaded, pages } from "../ui.js"
/** @import { Begin, Hit, Page } from "../Answers.ts" */

/**
 * The only markup in a snippet is `<mark>`, around what was found; everything else is escaped, and put in as text.
 *
 * @param {string} snippet
 */
const marked = (snippet) =>
  snippet.split(/<mark>(.*?)<\/mark>/gs).map((part, at) =>
    at % 2 === 1 ? html`<mark>${unescaped(part)}</mark>` : unescaped(part)
  )

/** @param {Hit} hit */
const hitOf = (hit) =>
  html`<li><article><h2>${hit.title}</h2>
    <p>${marked(hit.snippet)}</p>
    <p class="muted"><span class="badge">${hit.kind}</span> version ${hit.version} · ${
    explained(hit.kind, hit.id, "explain")
  } ·
      <a href="/chronicle?entity_type=${hit.kind}&entity_id=${hit.id}">history</a></p></article></li>`

/** @type {Begin} */
export const begin = (params, redraw) => {
  /** @type {ReturnType<typeof latest<Page<Hit> & { readonly engine: string }>>} */
  const { run, state, stop } = latest(redraw)
  const [q, kind] = [params.get("q"), params.get("kind")]
  const asked = { q, kind, tag: params.get("tag"), library_id: params.get("library_id"), cursor: params.get("cursor") }
  if (q !== null) void run((signal) => get("/api/v1/search", { ...asked, limit: "20" }, signal))
  /** @param {Event} event */
  const submit = (event) => go(withQuery("/search", fieldsOf(event)))

  const found = () =>
    loaded(state, () => {
      const { engine, items, next_cursor } = state.value ?? { engine: "", items: [], next_cursor: null }
      return items.length === 0
        ? empty("Nothing is found.", html`Is something missing? <a href="/explain">Explain</a> says where a change is.`)
        : html`<p class="muted" role="status">${items.length}${next_cursor === null ? "" : "+"} found by ${engine}</p>
          <ol class="hits">${items.map(hitOf)}</ol>${pages("/search", params, next_cursor)}`
    })

  const view = () =>
    html`<form class="row start filters" @submit=${submit}>
      <label class="grow">Words, "phrases", -without <input name="q" type="search" required maxlength="256" value=${
      q ?? ""
    } autocomplete="off"></label>
      <label>Kind <select name="kind"><option value="">all</option>${
      ["block", "tag", "library"].map((one) => html`<option value=${one} ?selected=${one === kind}>${one}</option>`)
    }</select></label>
      <label>Tag <input name="tag" value=${params.get("tag") ?? ""} maxlength="200" autocomplete="off"></label>
      <button>Search</button></form>${q === null ? nothing : found()}`
  return { title: "Search", view, stop }
}
