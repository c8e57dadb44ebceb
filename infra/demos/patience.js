/** Waiting for a condition, never for a time: bounded, and over at once when the demonstration cannot go on. */
import { setTimeout as pause } from "node:timers/promises"

const patienceMs = 60_000
const lookEveryMs = 20

/** Aborted by Ctrl-C, or by a program that ended when nobody told it to: no wait outlasts that. */
export const trouble = new AbortController()

/** @param {unknown} error */
export const messageOf = (error) => error instanceof Error ? error.message : String(error)

/**
 * Looks again and again until `look` gives something; a look that throws counts as "not yet".
 * @template A
 * @param {string} what
 * @param {() => A | undefined | false | Promise<A | undefined | false>} look
 * @returns {Promise<A>}
 */
export const until = async (what, look) => {
  const giveUpAt = performance.now() + patienceMs
  let last = ""
  while (performance.now() < giveUpAt) {
    trouble.signal.throwIfAborted()
    try {
      const found = await look()
      if (found !== undefined && found !== false) return found
    } catch (error) {
      last = `; at last: ${messageOf(error)}`
    }
    await pause(lookEveryMs)
  }
  throw new Error(`waited ${patienceMs / 1000} s in vain for ${what}${last}`)
}

/**
 * @param {string} url
 * @param {RequestInit} [options]
 */
export const ask = async (url, options = {}) => {
  const response = await fetch(url, { ...options, signal: AbortSignal.timeout(10_000) })
  return { status: response.status, text: await response.text() }
}
