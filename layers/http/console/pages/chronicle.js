/** Who changed what, and when; newest first. */
import { html, nothing } from "lit-html"
import { get, withQuery } from "../api.js"
import { fieldsOf, go } from "../around.js"
import { latest } from "../latest.js"
import { empty, exactly, explained, idOf, loaded, pages } from "../ui.js"
/** @import { Begin, Entry, Page } from "../Answers.ts" */

/** @param {Entry} entry */
const verb = ({ op, version }) => op === "delete" ? "removed" : version === 1 ? "created" : "changed"

const shownMax = 120

/** @param {unknown} value */
const shown = (value) => {
  if (value === null || value === undefined) return html`<span class="muted">nothing</span>`
  const text = typeof value === "string" ? value : JSON.stringify(value)
  return html`<span class="value">${text.length > shownMax ? `${text.slice(0, shownMax)}…` : text}</span>`
}

/** @param {Entry} entry */
const entryOf = (entry) =>
  html`<li><article>
    <p><strong>${entry.actor}</strong> ${verb(entry)} ${explained(entry.entity_type, entry.entity_id)}
      <span class="muted">version ${entry.version} · ${exactly(entry.at)}</span></p>
    <dl class="changes">${
    entry.changes.map(({ field, from, to }) =>
      html`<div><dt>${field}</dt><dd>${from === null ? nothing : html`<del>${shown(from)}</del> → `}<ins>${
        shown(to)
      }</ins></dd></div>`
    )
  }</dl>
    <p class="muted">${
    entry.request_id === null
      ? nothing
      : html`request <a href="/explain?request_id=${entry.request_id}">${idOf(entry.request_id)}</a>`
  }${
    entry.trace_id === null
      ? nothing
      : html` · trace <a href="/explain?trace_id=${entry.trace_id}">${idOf(entry.trace_id)}</a>`
  }</p>
  </article></li>`

/** @type {Begin} */
export const begin = (params, redraw) => {
  /** @type {ReturnType<typeof latest<Page<Entry>>>} */
  const { run, state, stop } = latest(redraw)
  const [type, id] = [params.get("entity_type"), params.get("entity_id")]
  const asked = { entity_type: type, entity_id: id, cursor: params.get("cursor"), limit: "25" }
  void run((signal) => get("/api/v1/chronicle", asked, signal))
  /** @param {Event} event */
  const filter = (event) => go(withQuery("/chronicle", fieldsOf(event)))

  const view = () =>
    html`<form class="row start filters" @submit=${filter}>
      <label>Kind <select name="entity_type"><option value="">all</option>${
      ["block", "tag", "library"].map((one) => html`<option value=${one} ?selected=${one === type}>${one}</option>`)
    }</select></label>
      <label class="grow">Entity id <input name="entity_id" value=${
      id ?? ""
    } spellcheck="false" autocomplete="off"></label>
      <button>Filter</button>
      ${type === null && id === null ? nothing : html`<a class="button plain" href="/chronicle">Clear</a>`}</form>${
      loaded(state, () => {
        const { items = [], next_cursor = null } = state.value ?? {}
        return items.length === 0
          ? empty("Nothing is told yet.", "Every write is, once a worker has brought it here.")
          : html`<ol class="entries">${items.map(entryOf)}</ol>${pages("/chronicle", params, next_cursor)}`
      })
    }`
  return { title: "Chronicle", view, stop }
}
