/** How much waits, how fast it goes, who works on it, drawn. No DOM here: the server draws it first. */
import { html, nothing } from "lit-html"
import { count, duration, pace } from "./format.js"
import { spark } from "./spark.js"
import { empty, idOf, table, when } from "./ui.js"
import { verdictOf } from "./verdict.js"
/** @import { Glance, Overview, Worker } from "./Answers.ts" */

/** Moments that are kept for the small charts: two minutes. */
export const momentsMax = 120

/** @typedef {"connecting" | "live" | "asking" | "database" | "away"} Link */

/**
 * @typedef {object} Seen
 * @property {Link} link
 * @property {Overview | undefined} now
 * @property {ReadonlyArray<Overview>} history oldest first
 */

/** @type {Readonly<Record<Link, readonly [level: string, text: string]>>} */
const links = {
  connecting: ["wait", "Connecting…"],
  live: ["ok", "Live"],
  asking: ["ok", "Looks every 5 s: as many watch as can"],
  database: ["bad", "The database does not answer"],
  away: ["bad", "The server does not answer; connecting again…"]
}

/** @param {string} name @param {unknown} value @param {string} [kind] */
const figure = (name, value, kind = "") => html`<div class=${kind}><dt>${name}</dt><dd>${value}</dd></div>`

/** @param {Glance} one */
const troubles = (one) => [
  one.paused
    ? html`<p class="notice warn">Paused ${when(one.paused_at)}${
      one.paused_reason === null ? "" : `: ${one.paused_reason}`
    }</p>`
    : nothing,
  ...one.breakers.map((breaker) =>
    html`<p class="notice bad"><strong>Breaker ${breaker.state === "open" ? "open" : "half open"}</strong> on
      ${idOf(breaker.worker)}: <code>${breaker.error_type}</code> ${breaker.detail}</p>`
  )
]

/**
 * @param {Glance} one
 * @param {Overview} overview
 * @param {ReadonlyArray<Overview>} history
 * @param {(one: Glance) => void} turn
 */
const card = (one, { count_max }, history, turn) => {
  const waiting = history.map(({ projections }) =>
    projections.find(({ projection }) => projection === one.projection)?.pending ?? 0
  )
  const { oldest_pending_age_seconds: age, projection } = one
  return html`<section class="card" aria-labelledby="of-${projection}">
    <div class="row">
      <h2 id="of-${projection}">${projection}</h2>
      <button type="button" class="plain small" @click=${() => turn(one)}>${one.paused ? "Resume" : "Pause"}<span
        class="unseen"> ${projection}</span></button>
    </div>
    <p class="big"><a href="/outbox?projection=${projection}&status=pending"><span class="number">${
    count(one.pending, count_max)
  }</span> waiting</a>${age > 0 ? html` <span class="muted">oldest ${duration(age)}</span>` : nothing}</p>
    ${spark(waiting, momentsMax, `Waiting rows of ${projection} over the last two minutes`)}
    ${troubles(one)}
    <dl class="figures">
      ${figure("in work", count(one.processing))}
      ${figure("finished", pace(one.finished_per_second))}
      ${figure("dead", html`<a href="/dead">${count(one.dead, count_max)}</a>`, one.dead > 0 ? "bad" : "")}
      ${figure("lag p50", duration(one.lag_seconds.p50))}
      ${figure("lag p95", duration(one.lag_seconds.p95))}
      ${figure("lag p99", duration(one.lag_seconds.p99))}
    </dl></section>`
}

/** @param {Worker} worker @param {number} now */
const workerRows = (worker, now) => {
  const { alive, id, leases, projections, started_at } = worker
  const state = alive ? html`<span class="badge ok">connected</span>` : html`<span class="badge bad">gone</span>`
  /** @param {unknown} held */
  const row = (held) =>
    html`<tr><th scope="row">${idOf(id)}</th><td>${state}</td><td>${projections.join(", ")}</td>
      <td>${when(started_at)}</td>${held}</tr>`
  if (leases.length === 0) return row(html`<td class="muted">nothing</td><td class="number">0</td><td></td><td></td>`)
  return leases.map((lease) => {
    const left = (Date.parse(lease.lease_until) - now) / 1_000
    return row(html`<td>${lease.projection}</td><td class="number">${count(lease.rows)}</td>
      <td class="number">${duration((now - Date.parse(lease.claimed_at)) / 1_000)}</td>
      <td class="number ${left < 0 ? "bad" : ""}">${left < 0 ? `over for ${duration(-left)}` : duration(left)}</td>`)
  })
}

/** @param {Overview} overview */
const workersOf = ({ at, workers }) =>
  html`<section aria-labelledby="workers"><h2 id="workers">Workers</h2>${
    workers.length === 0
      ? empty("No worker is connected.", html`Changes wait until one is: <code>node programs/worker.js</code>`)
      : table("Workers and their leases", [
        ["Worker"],
        ["State"],
        ["Drains"],
        ["Since"],
        ["Holds of"],
        ["Rows", "number"],
        ["For", "number"],
        ["Lease ends in", "number"]
      ], workers.map((worker) => workerRows(worker, Date.parse(at))))
  }</section>`

/**
 * @param {Seen} seen
 * @param {(one: Glance) => void} turn pauses or resumes it
 */
export const drawn = ({ history, link, now }, turn) => {
  const [level, text] = links[link]
  const since = now !== undefined && level === "bad" ? html` What is shown is from ${when(now.at)}.` : nothing
  const status = html`<p class="link" role="status"><span class="dot ${level}"></span>${text}${since}</p>`
  if (now === undefined) return status
  const verdict = verdictOf(now)
  const busy = now.projections.filter(({ dead, done, pending, processing, projection }) =>
    projection !== "realtime" || dead + done + pending + processing > 0
  )
  return html`
    <div class="lead"><p class="verdict ${verdict.level}">${verdict.text}</p>${status}</div>
    <div class="cards ${level === "bad" ? "old" : ""}">${busy.map((one) => card(one, now, history, turn))}</div>
    ${workersOf(now)}`
}
