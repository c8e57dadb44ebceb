/** The overview as it changes, for as long as somebody looks; says when what it shows is old. */
import { get } from "./api.js"
/** @import { Overview } from "./Answers.ts" */

/** So many moments are kept for the small charts: two minutes. */
const keptMax = 120
/** Where as many watch as can, the overview is asked for instead. */
const askEvery = 5_000

/**
 * What comes with the page, behind all else in it: figures that are there before a connection is. Told once, and only
 * when the page has ended.
 *
 * @type {Promise<Overview | undefined>}
 */
const sent = new Promise((done) => {
  const read = () => {
    const now = /** @type {HTMLTemplateElement | null} */ (document.getElementById("now"))
    done(now === null ? undefined : JSON.parse(now.content.textContent ?? ""))
    now?.remove()
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", read)
  else read()
})
let isFirst = true

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
  let isStopped = false

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
  if (isFirst) {
    isFirst = false
    // A connection begins with a look of its own, which would hold up the one that the page brings.
    void sent.then((now) => {
      if (isStopped) return
      if (now !== undefined) seen(now, "connecting")
      turned()
    })
  } else watch()
  return {
    state,
    stop: () => {
      isStopped = true
      close()
      document.removeEventListener("visibilitychange", turned)
    }
  }
}
