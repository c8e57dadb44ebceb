/**
 * Runs a program on a Node that is new enough: this one, or else the one that `npm ci` put in node_modules.
 *
 *     #!/usr/bin/env node
 *     import { run } from "./node.js"
 *     await run(import.meta.url, () => import("./compose/Api.ts"))
 *
 * An old Node parses this file before anything else, so it imports nothing but Node's own modules.
 */
import { accessSync, constants, lstatSync, mkdirSync } from "node:fs"
import * as nodeModule from "node:module"
import { constants as osConstants, tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

/** What a supervisor or a terminal may send. SIGUSR1 is missing because Node keeps it for its inspector. */
const SIGNALS = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2"])

/** Marks the process that an older Node started; it is taken out of the environment before the program sees it. */
const CHILD_MARK = "WORDLOOM_NODE_CHILD"

/** How far apart the two copies of one signal may arrive, straight from the terminal and by way of the parent. */
const SAME_SIGNAL_MS = 50
const FORGET_SIGNAL_MS = 500
const PARENT_CHECK_MS = 500

/**
 * @param {string} entryUrl the program's `import.meta.url`
 * @param {() => Promise<unknown>} load imports the program proper, which starts it
 */
export async function run(entryUrl, load) {
  const marked = process.env[CHILD_MARK] !== undefined
  delete process.env[CHILD_MARK]
  if (process.env["npm_lifecycle_event"] !== undefined) endWithNpm()
  if (!isNewEnough(process.versions.node)) return runElsewhere(entryUrl, marked)
  if (marked && process.channel) obeyParent()
  enableCompileCache(entryUrl)
  await load()
}

/**
 * npm runs a script through a shell that dies of a signal without passing it on: `npm start` would end and leave the
 * program behind.
 */
function endWithNpm() {
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watch)
    process.kill(process.pid, "SIGTERM")
  }, PARENT_CHECK_MS)
  watch.unref()
}

/** @param {string} version */
function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  return major > 22 || (major === 22 && minor >= 19)
}

/**
 * Compiled modules shorten the start of a program. Without them it is only slower, so nothing here may fail.
 *
 * @param {string} entryUrl
 */
function enableCompileCache(entryUrl) {
  try {
    const folder = compileCacheFolder(entryUrl)
    if (folder !== undefined) nodeModule.enableCompileCache(folder)
  } catch {
    // See above.
  }
}

/** @param {string} entryUrl */
function compileCacheFolder(entryUrl) {
  const modules = findUp(entryUrl, "node_modules")
  if (modules !== undefined) {
    try {
      const folder = join(modules, ".cache", "wordloom")
      mkdirSync(folder, { recursive: true })
      accessSync(folder, constants.W_OK)
      return folder
    } catch {
      // A read-only installation: the temporary folder serves.
    }
  }
  // What lies in the cache is executed, so the folder must be ours alone: others may write to the temporary folder too.
  const uid = process.getuid?.() ?? 0
  const folder = join(tmpdir(), `wordloom-${uid}`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const found = lstatSync(folder)
  const closed = process.platform === "win32" || (found.uid === uid && (found.mode & 0o077) === 0)
  return found.isDirectory() && closed ? folder : undefined
}

/**
 * @param {string} entryUrl
 * @param {string} relative
 * @returns {string | undefined}
 */
function findUp(entryUrl, relative) {
  for (let folder = dirname(fileURLToPath(entryUrl));; folder = dirname(folder)) {
    const candidate = join(folder, relative)
    try {
      accessSync(candidate, constants.X_OK)
      return candidate
    } catch {
      if (folder === dirname(folder)) return undefined
    }
  }
}

/**
 * The same command line on the packaged Node, with this process as its shadow: signals go in, the exit comes out.
 *
 * @param {string} entryUrl
 * @param {boolean} marked this process is such a child already, so the packaged Node is too old as well
 */
async function runElsewhere(entryUrl, marked) {
  if (marked) return giveUp("is too old as well")
  const node = findUp(entryUrl, join("node_modules", "node", "bin", process.platform === "win32" ? "node.exe" : "node"))
  if (node === undefined) return giveUp("was not found")
  const child = await start(node)
  if (child === undefined) return
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (!child.connected) child.kill(signal)
      else child.send({ wordloomSignal: signal }, (error) => error && child.kill(signal))
    })
  }
  await new Promise(() => child.on("exit", exitLike))
}

/** @param {string} node */
async function start(node) {
  const { spawn } = await import("node:child_process")
  const unusable = (/** @type {unknown} */ error) =>
    giveUp(`does not start (${/** @type {NodeJS.ErrnoException} */ (error).code})`)
  try {
    // The channel carries signals in, and its closing tells the child that this process was killed.
    const child = spawn(node, [...process.execArgv, ...process.argv.slice(1)], {
      stdio: ["inherit", "inherit", "inherit", "ipc"],
      env: { ...process.env, [CHILD_MARK]: "1" }
    })
    child.on("error", (error) => child.pid === undefined && unusable(error))
    return child
  } catch (error) {
    return unusable(error)
  }
}

/** @param {string} why */
function giveUp(why) {
  process.stderr.write(
    `wordloom needs Node 22.19 or newer; this is ${process.versions.node}, and the Node that "npm ci" puts in ` +
      `node_modules ${why}. Run "npm ci", or install Node 24 from https://nodejs.org\n`
  )
  process.exit(1)
}

/**
 * @param {number | null} code
 * @param {NodeJS.Signals | null} signal
 */
function exitLike(code, signal) {
  if (signal === null) process.exit(code ?? 1)
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
  // A Node process survives some signals (SIGPIPE): then it ends with the number that a shell gives such a death.
  setTimeout(() => process.exit(128 + osConstants.signals[signal]), 1_000)
}

/**
 * Takes the parent's signals, and ends as by SIGTERM when the parent was killed.
 *
 * A terminal's Ctrl-C reaches parent and child both, a supervisor's signal perhaps the parent alone, and the parent
 * cannot tell which it was. So it always passes the signal on, as a message, and here a message counts only if the
 * signal itself does not come too. Twice could mean "at once" to the program.
 */
function obeyParent() {
  const raise = Object.fromEntries(SIGNALS.map((signal) => [signal, raiseOnce(signal)]))
  process.on("message", (message) => {
    const signal = /** @type {{ wordloomSignal?: string } | null} */ (message)?.wordloomSignal
    if (signal !== undefined) raise[signal]?.()
  })
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"))
  if (!process.connected) process.kill(process.pid, "SIGTERM")
  // Listening would otherwise keep a program alive that has nothing left to do.
  process.channel?.unref()
}

/**
 * @param {NodeJS.Signals} signal
 * @returns {() => void} raises the signal here, unless it came, or comes at once, by itself
 */
function raiseOnce(signal) {
  /** @type {Array<number>} */
  let came = []
  /** @type {Array<NodeJS.Timeout>} */
  const announced = []
  let raising = false

  process.on(signal, function note() {
    if (raising) raising = false
    else if (announced.length > 0) clearTimeout(announced.shift())
    else came.push(performance.now())
    // Listening must not change what the signal does to a program that does not listen.
    if (process.listenerCount(signal) === 1) {
      process.removeListener(signal, note)
      process.kill(process.pid, signal)
    }
  })

  return () => {
    came = came.filter((at) => performance.now() - at < FORGET_SIGNAL_MS)
    if (came.shift() !== undefined) return
    announced.push(setTimeout(() => {
      announced.shift()
      raising = true
      process.kill(process.pid, signal)
    }, SAME_SIGNAL_MS))
  }
}
