/** The overview as it changes, for as long as somebody looks; says when what it shows is old. */
import { get } from "./api.js"
/** @import { Overview } from "./Answers.ts" */

/** So many moments are kept for the small charts: two minutes. */
const keptMax = 120
/** Where as many watch as can, the overview is asked for instead. */
const askEvery = 5_000

const sent = /** @type {HTMLTemplateElement | null} */ (document.getElementById("now"))
/** Comes with the page, behind all else in it, so that figures are there before a connection is. */
let first = sent === null ? undefined : /** @type {Overview} */ (JSON.parse(sent.content.textContent ?? ""))

/** @typedef {"connecting" | "live" | "asking" | "database" | "away"} Link */

/**
 * @param {() => void} changed
 */
export const live = (changed) => {
  /** @type {{ link: Link, now: Overview | undefined, history: ReadonlyArray<Overview> }} */
  const state = { link: "connecting", now: undefined, history: [] }
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer
  /** @type {EventSource | undefined} */
  let source

  /** @param {Overview} overview @param {Link} link */
  const seen = (overview, link) => {
    state.link = link
    state.now = overview
    state.history = [...state.history.slice(1 - keptMax), overview]
    changed()
  }
  /** @param {Link} link */
  const lost = (link) => {
    state.link = link
    changed()
  }

  // The browser connects again by itself, except after an answer that is no stream: then this does.
  const ask = async () => {
    try {
      seen(await get("/api/v1/outbox/overview"), "asking")
    } catch (error) {
      lost(/** @type {{ status?: number }} */ (error).status === 503 ? "database" : "away")
    }
    timer = setTimeout(watch, askEvery)
  }

  const watch = () => {
    source = new EventSource("/api/v1/outbox/live")
    source.addEventListener("overview", ({ data }) => seen(JSON.parse(data), "live"))
    source.addEventListener("unavailable", () => lost("database"))
    source.addEventListener("error", () => {
      if (source?.readyState !== EventSource.CLOSED) return lost("away")
      void ask()
    })
  }

  // A page in the background costs nothing.
  const close = () => {
    source?.close()
    clearTimeout(timer)
  }
  const turned = () => {
    close()
    if (!document.hidden) watch()
  }
  document.addEventListener("visibilitychange", turned)
  watch()
  if (first !== undefined) seen(first, "connecting")
  first = undefined
  return {
    state,
    stop: () => {
      close()
      document.removeEventListener("visibilitychange", turned)
    }
  }
}
