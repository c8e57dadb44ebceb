/** What the pages share: small pieces that look and read the same everywhere. No DOM here. */
import { html, nothing } from "lit-html"
import { ago, moment, short } from "./format.js"
/** @import { Refused } from "./api.js" */
/** @import { OutboxEvent } from "./Answers.ts" */

/** @param {string | null} at */
export const when = (at) =>
  at === null
    ? html`<span class="muted">–</span>`
    : html`<time datetime=${at} title=${at}>${ago(at, Date.now())}</time>`

/** @param {string} at */
export const exactly = (at) => html`<time datetime=${at} title=${at}>${moment(at)}</time>`

/** @param {string} id */
export const idOf = (id) => html`<code title=${id}>${short(id)}</code>`

/** @param {string} kind @param {string} id @param {unknown} [label] */
export const explained = (kind, id, label) =>
  html`<a href="/explain?${kind}=${id}">${label ?? html`${kind} ${idOf(id)}`}</a>`

/** @type {Readonly<Record<string, string>>} */
const levelOf = { pending: "wait", processing: "work", done: "ok", dead: "bad" }

/** Colour helps, the word says it. @param {OutboxEvent["status"]} status */
export const statusOf = (status) => html`<span class="badge ${levelOf[status] ?? ""}">${status}</span>`

/** @param {unknown} title @param {unknown} [help] */
export const empty = (title, help) =>
  html`<div class="empty"><p class="empty-title">${title}</p>${
    help === undefined ? nothing : html`<p>${help}</p>`
  }</div>`

/** @param {Refused} error */
export const failed = (error) =>
  html`<div class="notice bad" role="alert"><p><strong>${
    error.status === 0 ? "Away." : "That did not work."
  }</strong> ${error.message}</p>${
    error.requestId === undefined ? nothing : html`<p class="muted">request <code>${error.requestId}</code></p>`
  }</div>`

/** @param {{ readonly value: unknown, readonly error: Refused | undefined }} state @param {() => unknown} shown */
export const loaded = ({ error, value }, shown) => [
  error === undefined ? nothing : failed(error),
  value === undefined ? error === undefined ? html`<p class="muted loading">Loading…</p>` : nothing : shown()
]

/**
 * A table that is wider than the screen is scrolled by itself, with the keyboard too.
 *
 * @param {string} label
 * @param {ReadonlyArray<readonly [name: string, kind?: string]>} columns
 * @param {unknown} rows
 */
export const table = (label, columns, rows) =>
  html`<div class="scroll" role="region" aria-label=${label} tabindex="0"><table>
    <thead><tr>${columns.map(([name, kind = ""]) => html`<th scope="col" class=${kind}>${name}</th>`)}</tr></thead>
    <tbody>${rows}</tbody></table></div>`

/**
 * @param {string} path
 * @param {URLSearchParams} params
 * @param {string | null} next
 */
export const pages = (path, params, next) => {
  /** @param {Record<string, string>} change */
  const at = (change) => {
    const query = new URLSearchParams(params)
    query.delete("cursor")
    for (const [name, value] of Object.entries(change)) query.set(name, value)
    return `${path}?${query}`
  }
  const first = params.has("cursor") ? html`<a class="button" href=${at({})}>Newest</a>` : nothing
  const older = next === null ? nothing : html`<a class="button" rel="next" href=${at({ cursor: next })}>Older</a>`
  return html`<nav class="pages" aria-label="Pages">${first}${older}</nav>`
}
