/** Reads the file by which a running PostgreSQL says who it is, and clears it away when it speaks of nobody. */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { isAlive, isPostmasterOf } from "./ProcessFacts.ts"

export interface PostmasterFile {
  readonly pid: number
  /** Missing while PostgreSQL is still writing the file. */
  readonly port: number | undefined
  readonly status: string
  readonly text: string
}

/** Which server, if any, a data folder has. Unless it is proven, only a connection can tell. */
export type Observed =
  | { readonly _tag: "Absent"; readonly port: number | undefined }
  | { readonly _tag: "Foreign"; readonly file: PostmasterFile }
  | { readonly _tag: "Running"; readonly file: PostmasterFile; readonly proven: boolean }

/** PostgreSQL fills a new file at once; one that stays empty was left by a crash. */
const emptyMaxMillis = 2_000

/** The lines are: process id, data folder, start time, port, socket folder, address, shared memory, status. */
export const parse = (text: string): PostmasterFile => {
  const lines = text.split("\n").map((line) => line.trim())
  const port = Number.parseInt(lines[3] ?? "", 10)
  return {
    pid: Math.abs(Number.parseInt(lines[0] ?? "", 10) || 0),
    port: Number.isNaN(port) ? undefined : port,
    status: lines[7] ?? "",
    text
  }
}

const pathOf = (data: string) => Path.join(data, "postmaster.pid")

/** Throws what the file system throws, except that a missing file is no error. */
export const observe = (data: string, nowMillis: number): Observed => {
  const file = read(pathOf(data))
  if (file === undefined) return { _tag: "Absent", port: undefined }
  if (file.pid === 0) {
    const since = Fs.statSync(pathOf(data), { throwIfNoEntry: false })?.mtimeMs ?? nowMillis
    const abandoned = nowMillis - since > emptyMaxMillis
    return abandoned ? { _tag: "Foreign", file } : { _tag: "Running", file, proven: false }
  }
  // PostgreSQL itself removes the file of a process that is gone. Its port is worth keeping: others may still try it.
  if (!isAlive(file.pid)) return { _tag: "Absent", port: file.port }
  const verdict = isPostmasterOf(file.pid, data)
  return verdict === "no" ? { _tag: "Foreign", file } : { _tag: "Running", file, proven: verdict === "yes" }
}

const read = (path: string): PostmasterFile | undefined => {
  try {
    return parse(Fs.readFileSync(path, "utf8"))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}

/**
 * Removes the file that was read, and no other: a server that started meanwhile has its own under the same name, and it
 * would stop within a minute if it lost it. Hence the file is taken aside first and looked at again.
 */
export const discard = (data: string, file: PostmasterFile): void => {
  const aside = `${pathOf(data)}.${Crypto.randomBytes(6).toString("hex")}`
  try {
    Fs.renameSync(pathOf(data), aside)
  } catch {
    return
  }
  if (read(aside)?.text !== file.text) restore(aside, pathOf(data))
  Fs.rmSync(aside, { force: true })
}

const restore = (aside: string, path: string) => {
  try {
    Fs.linkSync(aside, path)
  } catch {
    // A still newer file took its place.
  }
}
