/** The rows of the outboxes, newest first, whatever has become of them. */
import { html, nothing } from "lit-html"
import { get, withQuery } from "../api.js"
import { fieldsOf, go } from "../around.js"
import { duration } from "../format.js"
import { latest } from "../latest.js"
import { empty, explained, loaded, pages, statusOf, table, when } from "../ui.js"
/** @import { Begin, OutboxEvent, Page } from "../Answers.ts" */

const names = ["projection", "status", "entity_id", "trace_id", "error_type"]

/** @param {OutboxEvent} row */
const time = ({ created_at, next_attempt_at, processed_at, status }) => {
  if (processed_at !== null) return `after ${duration((Date.parse(processed_at) - Date.parse(created_at)) / 1_000)}`
  const due = next_attempt_at === null ? 0 : (Date.parse(next_attempt_at) - Date.now()) / 1_000
  return status === "processing" ? "now" : due > 0 ? `due in ${duration(due)}` : "due"
}

/** @param {OutboxEvent} row */
export const rowOf = (row) =>
  html`<tr>
    <td class="nowrap"><a href="/explain?event=${row.projection}/${row.id}">${row.projection}/${row.id}</a></td>
    <td>${statusOf(row.status)}</td>
    <td class="nowrap">${row.op === "delete" ? "removal of " : ""}${
    explained(row.entity_type, row.entity_id)
  } <span class="muted">v${row.entity_version}</span></td>
    <td class="number">${row.attempts}</td>
    <td class="nowrap">${when(row.created_at)}</td>
    <td class="nowrap">${time(row)}</td>
    <td class="wide">${
    row.error_type === null ? nothing : html`<code>${row.error_type}</code> ${row.error_detail}`
  }</td></tr>`

/** @type {Parameters<typeof table>[1]} */
export const columns = [["Row"], ["Status"], ["Change"], ["Attempts", "number"], ["Written"], ["Finished"], [
  "Last error"
]]

/** @param {string} name @param {string} label @param {ReadonlyArray<string>} values @param {URLSearchParams} params */
const choice = (name, label, values, params) =>
  html`<label>${label} <select name=${name}><option value="">all</option>${
    values.map((value) => html`<option value=${value} ?selected=${params.get(name) === value}>${value}</option>`)
  }</select></label>`

/** @type {Begin} */
export const begin = (params, redraw) => {
  /** @type {ReturnType<typeof latest<Page<OutboxEvent>>>} */
  const { run, state, stop } = latest(redraw)
  const asked = Object.fromEntries([...names, "cursor"].map((name) => [name, params.get(name)]))
  const look = () => run((signal) => get("/api/v1/outbox/events", { ...asked, limit: "50" }, signal))
  void look()
  /** @param {Event} event */
  const filter = (event) => go(withQuery("/outbox", fieldsOf(event)))
  const isNarrow = names.some((name) => params.has(name))

  const view = () =>
    html`<form class="row start filters" @submit=${filter}>
      ${choice("projection", "Outbox", ["search", "chronicle", "realtime"], params)}
      ${choice("status", "Status", ["pending", "processing", "done", "dead"], params)}
      <label class="grow">Entity id <input name="entity_id" value=${
      params.get("entity_id") ?? ""
    } spellcheck="false" autocomplete="off"></label>
      <label class="grow">Trace id <input name="trace_id" value=${
      params.get("trace_id") ?? ""
    } spellcheck="false" autocomplete="off"></label>
      <button>Filter</button>
      ${isNarrow ? html`<a class="button plain" href="/outbox">Clear</a>` : nothing}
      <button type="button" class="plain" @click=${look}>Refresh</button>
    </form>${
      loaded(state, () => {
        const { items = [], next_cursor = null } = state.value ?? {}
        return items.length === 0
          ? empty(
            isNarrow ? "No row is like that." : "No row yet.",
            isNarrow
              ? "Finished rows stay for a day, unless OUTBOX_RETENTION says otherwise."
              : "Every write leaves one for each outbox."
          )
          : html`${table("Rows of the outboxes", columns, items.map(rowOf))}${pages("/outbox", params, next_cursor)}`
      })
    }`
  return { title: "Outbox", view, stop }
}
