/** Starts the measured processes, each with a limit on its time; none outlives the benchmark. */
import { type ChildProcess, spawn } from "node:child_process"
import { readyMark, resultMark } from "./ChildSide.ts"

export interface Program {
  readonly file: string
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  readonly timeoutMs: number
}

export interface Running {
  readonly pid: number
  readonly ready: Promise<string>
  /** What it reported, once it has ended; fails when it ended without, or was too slow. */
  readonly result: Promise<any>
  /** Asks it to end. */
  readonly tell: () => void
}

const running = new Set<ChildProcess>()
export const killAll = () => {
  for (const child of running) child.kill("SIGKILL")
}
process.once("exit", killAll)

const here = import.meta.dirname

/** Nothing that is set for other programs reaches a measured one. */
const environment = (env: Program["env"]) => {
  const { HOME = "/", PATH = "" } = process.env
  return { PATH, HOME, NODE_ENV: "production", ...env }
}

export const start = ({ args, env, file, timeoutMs }: Program): Running => {
  const child = spawn(process.execPath, [`${here}/${file}`, ...args], {
    env: environment(env),
    stdio: ["pipe", "pipe", "pipe"]
  })
  running.add(child)
  let result: string | undefined
  let said = ""
  let slow = false
  const limit = setTimeout(() => {
    slow = true
    child.kill("SIGKILL")
  }, timeoutMs)
  const becomesReady = Promise.withResolvers<string>()
  let line = ""
  const take = (text: string) => {
    if (text.startsWith(readyMark)) becomesReady.resolve(text.slice(readyMark.length))
    else if (text.startsWith(resultMark)) result = text.slice(resultMark.length)
    else said = `${said}${text}\n`.slice(-4_000)
  }
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    const lines = (line + chunk).split("\n")
    line = lines.pop() ?? ""
    lines.forEach(take)
  })
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (said = `${said}${chunk}`.slice(-4_000)))
  child.stdin.on("error", () => {})
  const ended = Promise.withResolvers<any>()
  child.once("error", ended.reject)
  child.once("close", (code, signal) => {
    clearTimeout(limit)
    running.delete(child)
    const how = slow ? `took more than ${timeoutMs / 1_000} s` : `ended with ${code ?? signal}`
    if (result !== undefined && code === 0) ended.resolve(JSON.parse(result))
    else ended.reject(new Error(`${file} ${args.join(" ")} ${how}\n${said}`))
  })
  ended.promise.catch((error: unknown) => becomesReady.reject(error))
  becomesReady.promise.catch(() => {})
  return { pid: child.pid ?? 0, ready: becomesReady.promise, result: ended.promise, tell: () => child.stdin.end() }
}

export const run = (program: Program) => start(program).result
