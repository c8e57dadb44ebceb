/** The file of an import, opened once: what is read is what was hashed, whatever its name means by then. */
import { Effect, Stream } from "effect"
import { createHash } from "node:crypto"
import { type FileHandle, open, stat } from "node:fs/promises"
import * as Path from "node:path"
import { SourceBroken } from "../../../src/import/Imports.ts"
import { failure, wrongUsage } from "./ExitCode.ts"

const chunkBytes = 131_072

/** What shows that a file was changed: the numbers that change with it. */
interface Mark {
  readonly dev: bigint
  readonly ino: bigint
  readonly size: bigint
  readonly mtimeNs: bigint
}

export interface ImportFile {
  readonly name: string
  readonly handle: FileHandle
  readonly mark: Mark
}

const unreadable = (path: string) => (error: unknown) => {
  const { code } = error as NodeJS.ErrnoException
  return wrongUsage(code === "ENOENT" ? `${path}: there is no such file` : `${path} cannot be read (${code})`)
}

const markOf = ({ handle }: Pick<ImportFile, "handle">) => handle.stat({ bigint: true })

/** Only a regular file can be read twice, and from the middle. */
const checked = Effect.fnUntraced(function*(path: string) {
  const found = yield* Effect.tryPromise({ try: () => stat(path), catch: unreadable(path) })
  if (!found.isFile()) return yield* wrongUsage(`${path} is not a regular file`)
})

export const opened = Effect.fnUntraced(function*(path: string) {
  yield* checked(path)
  const handle = yield* Effect.acquireRelease(
    Effect.tryPromise({ try: () => open(path, "r"), catch: unreadable(path) }),
    (held) => Effect.promise(() => held.close().catch(() => {}))
  )
  const mark = yield* Effect.promise(() => markOf({ handle }))
  return { name: Path.basename(path), handle, mark } satisfies ImportFile
})

const chunks = ({ handle, mark }: ImportFile, from: number): Stream.Stream<Uint8Array, SourceBroken> =>
  from >= Number(mark.size) ? Stream.empty : Stream.fromAsyncIterable(
    // What was added since the file was hashed is not part of it.
    handle.createReadStream({ start: from, end: Number(mark.size) - 1, autoClose: false, highWaterMark: chunkBytes }),
    (error) => new SourceBroken({ reason: `the file could not be read: ${(error as Error).message}` })
  )

const unchanged = (file: ImportFile) =>
  Effect.flatMap(
    Effect.promise(() => markOf(file)),
    ({ mtimeNs, size }) =>
      mtimeNs === file.mark.mtimeNs && size === file.mark.size
        ? Effect.void
        : Effect.fail(new SourceBroken({ reason: "the file was changed while it was being imported" }))
  )

export const read = (file: ImportFile) => (offset: number): Stream.Stream<Uint8Array, SourceBroken> =>
  Stream.concat(chunks(file, offset), Stream.fromEffectDrain(unchanged(file)))

/** The name of the file's content. `onRead` is told how many bytes are done. */
export const sha256Of = (file: ImportFile, onRead: (bytes: number) => void) =>
  Effect.gen(function*() {
    const hash = createHash("sha256")
    let bytes = 0
    yield* Stream.runForEachArray(chunks(file, 0), (all) =>
      Effect.sync(() => {
        for (const chunk of all) {
          hash.update(chunk)
          bytes += chunk.length
        }
        onRead(bytes)
      }))
    return hash.digest("hex")
  }).pipe(Effect.mapError(({ reason }) => failure(reason)))
