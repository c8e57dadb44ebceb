/** The real programs as child processes, as people start them. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createRequire } from "node:module"
import { basename } from "node:path"
import { fileURLToPath } from "node:url"

/** How long a condition may take on a machine that is doing ten other things. */
const patienceMs = 60_000

/** Waits until `look` gives something; the last word on why it did not is in the error. */
export const until = async <A>(
  what: string,
  look: () => A | undefined | false | Promise<A | undefined | false>,
  patience = patienceMs
) => {
  const giveUpAt = Date.now() + patience
  let last: unknown
  while (Date.now() < giveUpAt) {
    try {
      const found = await look()
      if (found !== undefined && found !== false) return found
    } catch (error) {
      last = error
    }
    await new Promise((next) => setTimeout(next, 20))
  }
  throw new Error(
    `waited in vain for ${what}${
      last === undefined ? "" : `: ${last instanceof Error ? last.message : JSON.stringify(last)}`
    }`
  )
}

export interface Program {
  readonly process: ChildProcess
  readonly output: () => string
  readonly errors: () => string
  /** The first match in what it printed. */
  readonly printed: (pattern: RegExp) => Promise<RegExpExecArray>
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>
  /** By itself, or by whoever else ends it. */
  readonly ended: Promise<unknown>
}

/** Runs a program itself. An older Node starts this one beside it, and would be killed in its place. */
export const newNode = createRequire(import.meta.url).resolve("node/bin/node")

/** On the Node of these tests, which may be an older one, a start costs a quarter more. */
export const startProgram = (
  name: string,
  env: Readonly<Record<string, string>>,
  args: ReadonlyArray<string> = [],
  node = newNode
) => startScript(fileURLToPath(new URL(`../../programs/${name}.js`, import.meta.url)), env, args, node)

/** Only what a test says is in the environment, so that no setting of the machine decides. */
export const startScript = (
  file: string,
  env: Readonly<Record<string, string>>,
  args: ReadonlyArray<string> = [],
  node = process.execPath
): Program => {
  const name = basename(file, ".js")
  const child = spawn(node, [file, ...args], {
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], WORDLOOM_LOG_FORMAT: "json", ...env },
    stdio: ["ignore", "pipe", "pipe"]
  })
  let out = ""
  let err = ""
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text
  })
  const ended = once(child, "close")
  return {
    process: child,
    ended,
    output: () => out,
    errors: () => err,
    printed: (pattern) =>
      until(`${name} to print ${pattern}; it printed ${out.slice(-2_000)}${err.slice(-2_000)}`, () => {
        const match = pattern.exec(out)
        if (match === null && child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}: ${err}`)
        return match ?? undefined
      }),
    stop: async (signal = "SIGTERM") => {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal)
      await ended
      return child.exitCode
    }
  }
}
