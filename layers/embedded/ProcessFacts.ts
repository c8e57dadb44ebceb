/** What this machine knows about a process that this program did not start. */
import * as Fs from "node:fs"

/** A process that has ended but that nobody has collected yet does not count: it will never do anything again. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
  const stat = readOrUndefined(() => Fs.readFileSync(`/proc/${pid}/stat`, "utf8"))
  // The state follows the name, which stands in brackets and may itself contain any character.
  const state = stat?.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3)
  return state !== "Z" && state !== "X"
}

/**
 * Whether the process is the PostgreSQL of this data folder. A server works inside its data folder, so that the
 * folder's identity decides, however its path is spelled; but some containers hide that even from root, and then
 * nothing is certain.
 */
export const isPostmasterOf = (pid: number, data: string): "yes" | "no" | "unknown" => {
  if (!isAlive(pid)) return "no"
  const command = readOrUndefined(() => Fs.readFileSync(`/proc/${pid}/cmdline`, "utf8"))
  if (command !== undefined && !command.includes("postgres")) return "no"
  const there = readOrUndefined(() => Fs.statSync(`/proc/${pid}/cwd`))
  const here = readOrUndefined(() => Fs.statSync(data))
  if (there === undefined || here === undefined) return "unknown"
  return there.ino === here.ino && there.dev === here.dev ? "yes" : "no"
}

const readOrUndefined = <A>(read: () => A): A | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}
