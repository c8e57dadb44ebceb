/** Tells of rejected lines: the first of them to stderr, and all of them to a file if one was named. */
import { Effect, Stream } from "effect"
import { createReadStream } from "node:fs"
import { appendFile, realpath, rename, stat, writeFile } from "node:fs/promises"
import { createInterface } from "node:readline"
import type { Reject } from "../../../src/import/ImportBatch.ts"
import { failure, wrongUsage } from "./ExitCode.ts"
import type { ImportFile } from "./ImportFile.ts"

/** More would scroll away what they have in common. */
const shownMax = 100
const rewrittenAtOnce = 256

interface Written {
  readonly line: number
  readonly reason: string
  /** The line as it was, as far as it is text; not there when it was too long to be kept. */
  readonly text?: string
}

const toLine = ({ bytes, line, reason }: Reject): string => {
  const text = bytes === undefined ? {} : { text: Buffer.from(bytes).toString("utf8") }
  const written: Written = { line, reason, ...text }
  // Some readers of lines, Node's among them, take these two for line breaks, and JSON leaves them as they are.
  return `${JSON.stringify(written).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029")}\n`
}

/** A process that was killed may have left half a line. */
const numberOf = (text: string): number => {
  try {
    return Number((JSON.parse(text) as Partial<Written>).line)
  } catch {
    return Number.NaN
  }
}

const attempt = <A>(path: string, run: () => Promise<A>) =>
  Effect.tryPromise({ try: run, catch: (error) => failure(`${path}: ${(error as Error).message}`) })

/** The import's own file would be overwritten line by line while it is read. */
const checked = (path: string, { mark }: ImportFile) =>
  Effect.flatMap(
    Effect.promise(() => stat(path, { bigint: true }).catch(() => undefined)),
    (found) =>
      found !== undefined && found.dev === mark.dev && found.ino === mark.ino
        ? Effect.fail(wrongUsage("--rejects must not name the file that is imported"))
        : Effect.void
  )

/**
 * What an earlier try wrote of lines before `firstLine` stays. It may have written of later ones too, before it was
 * stopped: those lines are read again, so that they are told of once.
 */
const keep = Effect.fnUntraced(function*(named: string, firstLine: number) {
  const known = yield* Effect.promise(() => stat(named).catch(() => undefined))
  if (known === undefined || firstLine === 1) return yield* attempt(named, () => writeFile(named, ""))
  // Nothing can be taken back from a device or a pipe.
  if (!known.isFile()) return
  const path = yield* attempt(named, () => realpath(named))
  const beside = `${path}.${process.pid}`
  yield* attempt(beside, () => writeFile(beside, "", { mode: known.mode }))
  yield* writtenLines(path).pipe(
    Stream.filter((line) => numberOf(line) < firstLine),
    Stream.rechunk(rewrittenAtOnce),
    Stream.runForEachArray((lines) =>
      attempt(beside, () => appendFile(beside, lines.map((line) => `${line}\n`).join("")))
    )
  )
  yield* attempt(path, () => rename(beside, path))
})

const writtenLines = (path: string) =>
  Stream.fromAsyncIterable(
    createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY }),
    (error) => failure(`${path}: ${(error as Error).message}`)
  )

export interface RejectReport {
  /** Before the first line is read. */
  readonly begin: (firstLine: number) => Effect.Effect<void, ReturnType<typeof failure>>
  readonly add: (rejects: ReadonlyArray<Reject>) => Effect.Effect<void, ReturnType<typeof failure>>
  /** How many were not shown, if any. */
  readonly end: Effect.Effect<void>
}

/** `show` prints one line. */
export const make = Effect.fnUntraced(function*(
  path: string | undefined,
  file: ImportFile,
  show: (line: string) => Effect.Effect<void>
) {
  if (path !== undefined) yield* checked(path, file)
  let told = 0
  const report: RejectReport = {
    begin: (firstLine) => path === undefined ? Effect.void : keep(path, firstLine),
    add: Effect.fnUntraced(function*(rejects) {
      if (path !== undefined) yield* attempt(path, () => appendFile(path, rejects.map(toLine).join("")))
      for (const { line, reason } of rejects.slice(0, Math.max(0, shownMax - told))) {
        yield* show(`line ${line}: ${reason}`)
      }
      told += rejects.length
    }),
    end: Effect.suspend(() => {
      const hidden = told - shownMax
      return hidden <= 0 ? Effect.void : show(`and ${hidden.toLocaleString("en")} more rejected lines`)
    })
  }
  return report
})
