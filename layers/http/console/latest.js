/** What a page asked for last: loading, there, or refused; asked for again by itself when the server may be back. */
import { Refused } from "./api.js"

/** Away, or without its database: what was asked for is asked for again, while somebody looks. */
const askAgainEvery = 3_000
const mayComeBack = (/** @type {unknown} */ error) =>
  error instanceof Refused && (error.status === 0 || error.status === 503)

/**
 * The last call counts: an answer to an earlier question is thrown away.
 *
 * @template A
 * @param {() => void} redraw
 */
export const latest = (redraw) => {
  /** @type {{ loading: boolean, value: A | undefined, error: Refused | undefined }} */
  const state = { loading: false, value: undefined, error: undefined }
  let abort = new AbortController()
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer
  const stop = () => {
    abort.abort()
    clearTimeout(timer)
  }
  /** @param {(signal: AbortSignal) => Promise<A>} ask */
  const later = (ask) => {
    timer = setTimeout(() => document.hidden ? later(ask) : void run(ask), askAgainEvery)
  }
  /** @param {(signal: AbortSignal) => Promise<A>} ask */
  const run = async (ask) => {
    stop()
    abort = new AbortController()
    const { signal } = abort
    state.loading = true
    redraw()
    try {
      const value = await ask(signal)
      if (signal.aborted) return
      Object.assign(state, { loading: false, value, error: undefined })
    } catch (error) {
      if (signal.aborted) return
      Object.assign(state, { loading: false, error })
      if (mayComeBack(error)) later(ask)
    }
    redraw()
  }
  return { state, run, stop }
}
