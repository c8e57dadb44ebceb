/** How things stand, in one sentence. No DOM here. */
import { count, duration, plural } from "./format.js"
/** @import { Glance, Overview } from "./Answers.ts" */

/** Seconds; a change that waits longer is one that somebody asks about. */
const lateAfter = 10

/** @typedef {{ readonly level: "ok" | "warn" | "bad", readonly text: string }} Verdict */

/**
 * @param {Glance} one
 * @param {Overview} overview
 * @returns {Verdict | undefined}
 */
const ofOutbox = (one, { count_max, workers }) => {
  const { breakers, dead, oldest_pending_age_seconds: age, paused, pending, projection } = one
  const waiting = pending === 0 ? "nothing waits" : `${count(pending, count_max)} waiting`
  if (paused) return { level: "warn", text: `${projection} is paused, ${waiting}` }
  const drained = workers.some(({ alive, projections }) => alive && projections.includes(projection))
  if (!drained && pending > 0) {
    return { level: "bad", text: `no worker drains ${projection}, ${waiting}` }
  }
  if (breakers.length > 0) {
    return { level: "bad", text: `${projection} cannot deliver (${breakers[0]?.error_type}), ${waiting}` }
  }
  if (pending > 0 && age > lateAfter) {
    return { level: "warn", text: `${projection} is behind: ${waiting}, the oldest for ${duration(age)}` }
  }
  if (dead > 0) return { level: "warn", text: `${projection} has ${plural(dead, "dead letter")}` }
  return undefined
}

/**
 * @param {Overview} overview
 * @returns {Verdict}
 */
export const verdictOf = (overview) => {
  const found = overview.projections.flatMap((one) => ofOutbox(one, overview) ?? [])
  if (found.length > 0) {
    const text = found.map((each) => each.text).join("; ")
    return {
      level: found.some(({ level }) => level === "bad") ? "bad" : "warn",
      text: `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
    }
  }
  const pending = overview.projections.reduce((sum, one) => sum + one.pending + one.processing, 0)
  return {
    level: "ok",
    text: pending === 0 ? "Every change is delivered." : `${plural(pending, "change is", "changes are")} on the way.`
  }
}
