/** Where the time went, as bars on one line of time. No DOM here. */
/** @import { Segment } from "./Answers.ts" */

/** @type {Readonly<Record<Segment["stage"], string>>} */
export const stageNames = {
  api: "API",
  commit: "commit",
  queue: "queue wait",
  attempts: "attempt",
  backoff: "back-off",
  replay: "until replay",
  load: "load",
  engine: "engine",
  ack: "ack",
  refresh: "refresh"
}

/**
 * @typedef {object} Bar
 * @property {Segment} segment
 * @property {string} name
 * @property {number} left in percent of the whole
 * @property {number} width
 */

/**
 * @param {ReadonlyArray<Segment>} timeline
 * @returns {{ readonly totalMs: number, readonly bars: ReadonlyArray<Bar> }}
 */
export const layOut = (timeline) => {
  const totalMs = Math.max(0, ...timeline.map(({ ms, offset_ms }) => offset_ms + ms))
  const percent = (/** @type {number} */ ms) => totalMs === 0 ? 0 : Math.min(100, Math.max(0, ms / totalMs * 100))
  return {
    totalMs,
    bars: timeline.map((segment) => {
      const left = percent(segment.offset_ms)
      const attempt = segment.stage === "attempts" && segment.attempt !== null ? ` ${segment.attempt}` : ""
      return {
        segment,
        name: stageNames[segment.stage] + attempt,
        left,
        width: Math.min(100 - left, percent(segment.ms))
      }
    })
  }
}

/** What comes only once a change is delivered. */
const last = new Set(["load", "engine", "ack"])

/**
 * What nobody recorded, by name; the rest of the picture is no less true. Of an engine that refreshes by itself nobody
 * ever knows when it did: that it did is what the verdict says.
 *
 * @param {Readonly<Record<string, number | null>>} spent
 * @param {boolean} isDelivered else its last stages are not missing, but still to come
 */
export const missing = (spent, isDelivered) =>
  Object.entries(stageNames).flatMap(([stage, name]) =>
    spent[stage] === null && stage !== "refresh" && (isDelivered || !last.has(stage)) ? [name] : []
  )
