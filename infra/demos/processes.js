/** The real programs as processes of a demonstration, each ended by its id, whatever happens. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { ask, trouble, until } from "./patience.js"

/**
 * @typedef {object} Program
 * @property {string} label
 * @property {number} pid
 * @property {(signal: NodeJS.Signals) => void} signal
 * @property {() => Promise<void>} stop
 * @property {() => void} kill
 */

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const packagedNode = join(root, "node_modules", "node", "bin", "node")
const stopWithinMs = 10_000

/** @type {Set<Program>} */
const running = new Set()
process.once("exit", () => {
  for (const program of running) program.kill()
})

/** An old Node would start a second process, and SIGSTOP would only reach the first. */
const node = existsSync(packagedNode) ? packagedNode : process.execPath
/** Linux ends a program whose demonstration was killed; one that stands still would never end by itself. */
const [command, ...words] = process.platform === "linux" ? ["setpriv", "--pdeathsig", "KILL", node] : [node]

/**
 * Nothing but `env` decides: no setting of the machine reaches the program.
 * @param {string} file its name in `programs`
 * @param {string} label
 * @param {Record<string, string>} env
 * @returns {Program}
 */
export const startProgram = (file, label, env) => {
  const { HOME = "", PATH = "" } = process.env
  const child = spawn(command, [...words, join(root, "programs", file)], {
    env: { HOME, PATH, WORDLOOM_LOG_FORMAT: "json", ...env },
    // Ctrl-C is for the demonstration, which ends them in its own order.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"]
  })
  let tail = ""
  const keep = (/** @type {string} */ text) => void (tail = (tail + text).slice(-1_500))
  child.stdout.setEncoding("utf8").on("data", keep)
  child.stderr.setEncoding("utf8").on("data", keep)
  const closed = once(child, "close").catch(() => {})
  let stopping = false
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  child.on("error", (error) => trouble.abort(new Error(`${label} did not start: ${error.message}`)))
  child.on("close", (code, signal) => {
    running.delete(program)
    if (!stopping) trouble.abort(new Error(`${label} ended with ${code ?? signal}\n${tail.trim()}`))
  })
  const kill = () => {
    stopping = true
    if (!hasEnded()) child.kill("SIGKILL")
  }
  /** @type {Program} */
  const program = {
    label,
    pid: child.pid ?? 0,
    signal: (signal) => void (hasEnded() || child.kill(signal)),
    kill,
    stop: async () => {
      stopping = true
      const tooLong = setTimeout(kill, stopWithinMs)
      program.signal("SIGTERM")
      // A stopped process hears SIGTERM only once it goes on.
      program.signal("SIGCONT")
      await closed
      clearTimeout(tooLong)
    }
  }
  running.add(program)
  return program
}

/**
 * Runs a program to its end, as somebody types it.
 * @param {string} file its name in `programs`
 * @param {ReadonlyArray<string>} args
 * @param {Record<string, string>} env
 */
export const runProgram = async (file, args, env) => {
  const { HOME = "", PATH = "" } = process.env
  const child = spawn(command, [...words, join(root, "programs", file), ...args], {
    env: { HOME, PATH, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000
  })
  let out = ""
  let err = ""
  child.stdout.setEncoding("utf8").on("data", (/** @type {string} */ text) => void (out += text))
  child.stderr.setEncoding("utf8").on("data", (/** @type {string} */ text) => void (err += text))
  const [code] = await once(child, "close")
  return { code: /** @type {number | null} */ (code), out, err }
}

export const stopPrograms = async () => {
  await Promise.all([...running].map((program) => program.stop()))
}

/**
 * @param {Program} program
 * @param {string} url
 */
export const untilReady = (program, url) =>
  until(`${program.label} to be ready`, async () => (await ask(`${url}/health/ready`)).status === 200)

/**
 * Stops a process where it stands; back once the system says that it does stand.
 * @param {Program} program
 */
export const freeze = async (program) => {
  program.signal("SIGSTOP")
  if (process.platform !== "linux") return
  await until(
    `${program.label} to stand still`,
    () => /^\d+ \(.*\) T /.test(readFileSync(`/proc/${program.pid}/stat`, "utf8"))
  )
}
