/** Runs a demonstration to its end, and clears its stage whatever happens. */
import { messageOf, trouble } from "./patience.js"
import { paint } from "./screen.js"

const codes = /** @type {const} */ ({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })

/**
 * Ends the process: 0 when every check passed.
 *
 * @param {() => Promise<boolean>} play
 * @param {() => Promise<unknown>} clear
 */
export const perform = async (play, clear) => {
  for (const [signal, code] of Object.entries(codes)) {
    process.on(signal, () => {
      // Who asks twice does not want to wait; what still runs is killed on exit.
      if (process.exitCode !== undefined) process.exit(code)
      process.exitCode = code
      trouble.abort(new Error(`stopped by ${signal}`))
    })
  }
  let code = 1
  try {
    code = await play() ? 0 : 1
  } catch (error) {
    console.error(`\n${process.exitCode === undefined ? paint("red", "FAIL  ") : ""}${messageOf(error)}`)
  }
  await clear()
  process.exit(process.exitCode ?? code)
}
