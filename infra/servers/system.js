// What a server needs from the machine: free ports, a folder of its own, a user that is not root.
import { spawn } from "node:child_process"
import { once } from "node:events"
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

/** The folder that the settings of the servers are in. */
export const infra = dirname(dirname(fileURLToPath(import.meta.url)))
/** Where the install scripts put the programs. */
export const tools = join(dirname(infra), ".tools")

const prefix = "wordloom-infra-"
const nobody = 65534
// setpriv's options for that one capability; without no_setuid_fixup access(2), which initdb asks, would not count it
const opensFolders = [
  "--inh-caps=-all,+dac_override",
  "--ambient-caps=-all,+dac_override",
  "--securebits=+no_setuid_fixup"
]
const isLinux = process.platform === "linux"
const isRoot = process.getuid?.() === 0

/** @param {number} wanted 0 for any */
const listenOn = async (wanted) => {
  const server = createServer().listen(wanted, "127.0.0.1")
  await once(server, "listening").catch((/** @type {NodeJS.ErrnoException} */ error) => {
    throw new Error(error.code === "EADDRINUSE" ? `port ${wanted} is in use` : error.message)
  })
  return server
}

/**
 * Checks fixed ports and finds free ones for those that are 0; all are held to the end, so that they differ.
 * @template {string} P
 * @param {Record<P, number>} wanted
 * @returns {Promise<Record<P, number>>}
 */
export const reservePorts = async (wanted) => {
  const names = /** @type {P[]} */ (Object.keys(wanted))
  const held = /** @type {import("node:net").Server[]} */ ([])
  const ports = /** @type {Record<P, number>} */ ({})
  try {
    for (const name of names) {
      const server = await listenOn(wanted[name])
      held.push(server)
      const address = server.address()
      if (address && typeof address === "object") ports[name] = address.port
    }
  } finally {
    await Promise.all(held.map((server) => new Promise((done) => server.close(done))))
  }
  return ports
}

/**
 * A temporary folder that the server's user owns. The name holds this process's id, for removeLeftovers.
 * @param {string} name
 */
export const makeFolder = (name) => {
  const folder = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-${name}-`))
  giveToServer(folder)
  return folder
}

/**
 * Lets the server's user write there (only root needs to: servers then run as nobody).
 * @param {string[]} paths
 */
export const giveToServer = (...paths) => {
  if (isRoot) { for (const path of paths) chownSync(path, nobody, nobody) }
}

/**
 * Tries again for a second: a server that was just told to end may still be writing.
 * @param {string} folder
 * @param {number} [attempts]
 */
export const removeFolder = (folder, attempts = 20) => {
  const clock = new Int32Array(new SharedArrayBuffer(4))
  for (let attempt = 0; attempt < attempts; attempt++) {
    try {
      rmSync(folder, { recursive: true, force: true })
    } catch {
      // checked below; whatever stays, the next start removes
    }
    if (!existsSync(folder)) return
    Atomics.wait(clock, 0, 0, 50)
  }
}

/**
 * Does it answer with success?
 * @param {string} url
 */
export const answers = async (url) => {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(2000) })).ok
  } catch {
    return false
  }
}

/** @param {number} pid */
const isAlive = (pid) => {
  try {
    process.kill(pid, 0)
    return !(isLinux && / Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8")))
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM"
  }
}

/** Removes the folders of runs that were killed before they could. Their servers ended with them (see asServer). */
export const removeLeftovers = () => {
  for (const entry of readdirSync(tmpdir())) {
    const pid = entry.startsWith(prefix) ? Number.parseInt(entry.slice(prefix.length), 10) : Number.NaN
    if (!Number.isNaN(pid) && !isAlive(pid)) removeFolder(join(tmpdir(), entry), 1)
  }
}

/**
 * May every user enter all folders above the path, and read it?
 * @param {string} path
 */
const isOpenToAll = (path) => {
  for (let at = realpathSync(path);; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false
    if (at === dirname(at)) return true
  }
}

/**
 * The command as a server is to run it. On Linux it gets a signal when this process dies, however that happens.
 * Root becomes nobody (PostgreSQL and Elasticsearch refuse root); if a program lies below a folder that only root may
 * enter, nobody is given the one capability that opens it.
 * @param {string} command
 * @param {string[]} args
 * @param {{ signal?: NodeJS.Signals, reads?: string[] }} [options] reads: further paths that the program needs
 * @returns {[string, string[]]}
 */
export const asServer = (command, args, { signal = "SIGTERM", reads = [] } = {}) => {
  if (!isLinux) return [command, args]
  const flags = ["--pdeathsig", signal.replace("SIG", "")]
  if (isRoot) {
    flags.push(`--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups")
    if (![command, tmpdir(), ...reads].every(isOpenToAll)) flags.push(...opensFolders)
  }
  return ["setpriv", [...flags, command, ...args]]
}

/**
 * Runs a program to its end, as the server's user.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd: string, input?: string }} options
 */
export const runToEnd = async (command, args, { cwd, input = "" }) => {
  const [program, words] = asServer(command, args)
  const child = spawn(program, words, { cwd, env: serverEnv(cwd) })
  let output = ""
  child.stdout.on("data", (chunk) => (output += chunk))
  child.stderr.on("data", (chunk) => (output += chunk))
  child.stdin.on("error", () => {}).end(input)
  const [code] = await once(child, "close")
  if (code !== 0) throw new Error(`${command} ended with ${code}\n${output.slice(-1500)}`)
}

/**
 * A small environment of known content: nothing that is set for the tests reaches the servers.
 * @param {string} home
 * @param {Record<string, string>} [more]
 */
export const serverEnv = (home, more = {}) => {
  const { PATH = "/usr/bin:/bin" } = process.env
  return { PATH, HOME: home, ...more }
}
