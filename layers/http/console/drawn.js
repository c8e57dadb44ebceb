/** A change on its way to one projection, drawn: the waterfall, what it adds up to, and every attempt. */
import { html, nothing } from "lit-html"
import { duration } from "./format.js"
import { exactly, idOf, statusOf, table } from "./ui.js"
import { layOut, missing, stageNames } from "./waterfall.js"
/** @import { Delivery } from "./Answers.ts" */

/** @param {number} ms */
const took = (ms) => duration(ms / 1_000)

/** @param {Delivery} delivery */
const waterfall = ({ projection, timeline }) => {
  const { bars, totalMs } = layOut(timeline)
  if (bars.length === 0) return nothing
  return html`<table class="fall"><caption class="unseen">Where the time went, ${projection}: ${
    took(totalMs)
  } in all</caption>
    <thead><tr><th scope="col" class="name">Stage</th><th scope="col"><span class="axis"><span>0</span><span>${
    took(totalMs)
  }</span></span></th>
      <th scope="col" class="number start">Began</th><th scope="col" class="number">Took</th></tr></thead>
    <tbody>${
    bars.map(({ left, name, segment, width }) =>
      html`<tr title=${segment.text}><th scope="row">${name}</th>
        <td class="track"><span class="bar ${segment.stage} ${
        segment.open ? "open" : ""
      }" .style=${`left:${left}%;width:${width}%`}></span></td>
        <td class="number start muted">+${took(segment.offset_ms)}</td><td class="number">${took(segment.ms)}${
        segment.open ? " …" : ""
      }</td></tr>`
    )
  }</tbody></table>`
}

/** @param {Delivery} delivery */
const sums = ({ spent }) =>
  html`<dl class="key">${
    Object.entries(stageNames).flatMap(([stage, name]) => {
      const ms = spent[/** @type {keyof typeof spent} */ (stage)]
      return ms === null || ms === 0
        ? []
        : [html`<div><dt><span class="bar ${stage}"></span>${name}</dt><dd>${took(ms)}</dd></div>`]
    })
  }<div><dt>in all</dt><dd>${took(spent.total)}</dd></div></dl>`

/** @param {Delivery["attempts"][number]} attempt */
const attemptOf = (attempt) =>
  html`<tr><td class="number">${attempt.attempt}</td><td class="nowrap">${exactly(attempt.claimed_at)}</td>
    <td class="number">${attempt.ms === null ? "–" : took(attempt.ms)}</td>
    <td class="number">${attempt.engine_ms === null ? "–" : took(attempt.engine_ms)}</td>
    <td class="nowrap"><span class="badge ${
    attempt.result === "ok" ? "ok" : attempt.result === "failed" ? "bad" : "work"
  }">${(attempt.outcome ?? "going on").replaceAll("_", " ")}</span></td>
    <td>${idOf(attempt.worker)}</td>
    <td class="wide">${
    attempt.error_type === null ? nothing : html`<code>${attempt.error_type}</code> ${attempt.error_detail}`
  }</td></tr>`

/** @type {Parameters<typeof table>[1]} */
const columns = [["No.", "number"], ["Claimed"], ["Took", "number"], ["Engine", "number"], ["Outcome"], ["Worker"], [
  "Error"
]]

/** @param {Delivery} delivery */
export const drawn = (delivery) => {
  const { attempts, projection, row, sentence, slow, spent, timeline } = delivery
  const unknown = timeline.length === 0 ? [] : missing(spent, row?.status === "done")
  return html`<section class="delivery" aria-label="Delivery to ${projection}">
    <div class="row"><h3>${projection}${row === null ? nothing : html` <code>${row.projection}/${row.id}</code>`}</h3>${
    row === null ? nothing : statusOf(row.status)
  }</div>
    <p>${sentence}</p>
    ${
    slow === null
      ? nothing
      : html`<p class="notice warn"><strong>Slow: ${slow.cause.replaceAll("_", " ")}.</strong> ${slow.sentence}</p>`
  }
    ${
    unknown.length === 0 ?
      nothing :
      html`<p class="notice missing"><strong>Part of the picture is missing.</strong> Nobody recorded: ${
        unknown.join(", ")
      }. The rest is drawn as it was.</p>`
  }
    ${waterfall(delivery)}${timeline.length === 0 ? nothing : sums(delivery)}
    ${attempts.length === 0 ? nothing : table(`Attempts at ${projection}`, columns, attempts.map(attemptOf))}</section>`
}
