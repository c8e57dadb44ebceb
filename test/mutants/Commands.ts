/** Child processes with a bound: what does not end in time is ended with all that it started. */
import { spawn } from "node:child_process"

export interface Ended {
  /** `null` when it was ended for taking too long. */
  readonly code: number | null
  readonly output: string
}

const running = new Set<number>()

/** Ends a process and all that it started. */
const endGroup = (pid: number) => {
  try {
    process.kill(-pid, "SIGKILL")
  } catch {
    // Nothing of it is left.
  }
}

export const endAll = () => {
  for (const pid of running) endGroup(pid)
}

export const run = (
  folder: string,
  command: string,
  args: ReadonlyArray<string>,
  options: { readonly boundMs: number; readonly env?: Readonly<Record<string, string>> }
) =>
  new Promise<Ended>((ended, failed) => {
    // A group of its own: what it started can be ended with it.
    const child = spawn(command, args, {
      cwd: folder,
      env: { ...process.env, ...options.env },
      detached: true,
      stdio: ["ignore", "pipe", "pipe"]
    })
    const pid = child.pid ?? 0
    if (pid > 0) running.add(pid)
    let output = ""
    let tooLong = false
    const told = (text: string) => {
      output += text
    }
    child.stdout.setEncoding("utf8").on("data", told)
    child.stderr.setEncoding("utf8").on("data", told)
    const bound = setTimeout(() => {
      tooLong = true
      endGroup(pid)
    }, options.boundMs)
    child.once("error", failed)
    child.once("close", (code) => {
      clearTimeout(bound)
      // Programs that a test has started, and could not stop.
      endGroup(pid)
      running.delete(pid)
      ended({ code: tooLong ? null : code, output })
    })
  })
