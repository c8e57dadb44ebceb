/** The overview as it changes, for as long as somebody looks; says when what it shows is old. */
import { get } from "./api.js"
import { momentsMax } from "./glance.js"
/** @import { Overview } from "./Answers.ts" */
/** @import { Link, Seen } from "./glance.js" */

/** Where as many watch as can, the overview is asked for instead. */
const askEvery = 5_000

/**
 * @param {() => void} changed
 */
export const live = (changed) => {
  /** @type {Seen} */
  const state = { link: "connecting", now: undefined, history: [] }
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer
  /** @type {EventSource | undefined} */
  let source
  let asking = new AbortController()

  /** @param {Overview} overview @param {Link} link */
  const seen = (overview, link) => {
    state.link = link
    state.now = overview
    state.history = [...state.history.slice(1 - momentsMax), overview]
    changed()
  }
  /** @param {Link} link */
  const lost = (link) => {
    state.link = link
    changed()
  }

  // The browser connects again by itself, except after an answer that is no stream: then this does.
  const ask = async () => {
    asking = new AbortController()
    const { signal } = asking
    try {
      seen(await get("/api/v1/outbox/overview", {}, signal), "asking")
    } catch (error) {
      if (signal.aborted) return
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
    asking.abort()
    clearTimeout(timer)
  }
  const turned = () => {
    close()
    if (!document.hidden) watch()
  }
  document.addEventListener("visibilitychange", turned)
  turned()
  return {
    state,
    stop: () => {
      close()
      document.removeEventListener("visibilitychange", turned)
    }
  }
}
