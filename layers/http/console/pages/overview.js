/** The overview as it changes: with what is drawn of it, outboxes are paused and resumed, and a change is tried. */
import { html, nothing } from "lit-html"
import { post } from "../api.js"
import { confirmed, fieldsOf, say } from "../around.js"
import { duration } from "../format.js"
import { drawn } from "../glance.js"
import { live } from "../live.js"
import { explained } from "../ui.js"
/** @import { Begin, Glance } from "../Answers.ts" */

/** @param {Glance} one */
const pauseOrResume = async ({ paused, projection }) => {
  const isSure = paused || await confirmed(
    `Pause ${projection}?`,
    "No worker claims its rows any more, until it is resumed. What is in flight ends; writes go on.",
    "Pause"
  )
  if (!isSure) return
  try {
    await post(
      `/api/v1/outbox/${projection}/${paused ? "resume" : "pause"}`,
      paused ? undefined : { reason: "console" }
    )
    say(`${projection} is ${paused ? "resumed" : "paused"}.`)
  } catch (error) {
    say(/** @type {Error} */ (error).message, "bad")
  }
}

/** @param {() => void} redraw */
const trial = (redraw) => {
  /** @type {{ busy: boolean, told: unknown }} */
  const state = { busy: false, told: nothing }
  /** @param {Event} event */
  const write = async (event) => {
    const form = /** @type {HTMLFormElement} */ (event.currentTarget)
    const fields = fieldsOf(event)
    Object.assign(state, { busy: true, told: nothing })
    redraw()
    try {
      const began = performance.now()
      const { body, headers } = await post("/api/v1/tags", fields, { prefer: "wait=5" })
      const took = duration((performance.now() - began) / 1_000)
      const isFound = headers.get("x-search-visible") === "true"
      state.told = html`<span class="ok">${
        isFound ? `Written, and found by search after ${took}.` : "Written; search does not show it yet."
      }</span>
        ${explained("tag", body.id, "Explain what happened")}`
      form.reset()
    } catch (error) {
      state.told = html`<span class="bad">${/** @type {Error} */ (error).message}</span>`
    }
    state.busy = false
    redraw()
  }
  return () =>
    html`<section aria-labelledby="trial"><h2 id="trial">Try it</h2>
    <form class="row start" @submit=${write}>
      <label>Tag name <input name="name" required maxlength="200" autocomplete="off"></label>
      <label>Colour <input name="color" type="color" value="#1e90ff"></label>
      <button ?disabled=${state.busy}>Write, and follow it</button>
    </form><p role="status">${state.told}</p></section>`
}

/** @type {Begin} */
export const begin = (_params, redraw) => {
  const { state, stop } = live(redraw)
  const write = trial(redraw)
  const view = () => html`${drawn(state, pauseOrResume)}${write()}`
  return { title: "Overview", view, isEmpty: () => state.link === "connecting", stop }
}
