/** Imports a file of blocks, line by line, from wherever an earlier try of it ended. */
import { Context, Effect, Layer, Schema, Stream } from "effect"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"
import * as BatchWriter from "./BatchWriter.ts"
import { type Batch, makeBatches, type Standing } from "./ImportBatch.ts"
import { type ImportMoved, ImportProgress, type ImportRecord, type ImportRunning } from "./ImportProgress.ts"
import { patiently } from "./Patience.ts"

/** The file could not be read to its end, or is not what it was when the import began. */
export class SourceBroken extends Schema.TaggedError<SourceBroken>("wordloom/import/SourceBroken")("SourceBroken", {
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

/** An import that was begun goes on, or is looked at, with the library it was begun with. */
export class LibraryDiffers extends Schema.TaggedError<LibraryDiffers>("wordloom/import/LibraryDiffers")(
  "LibraryDiffers",
  { begunWith: Schema.String, asked: Schema.String, finished: Schema.Boolean }
) {
  override get message() {
    const begun = JSON.stringify(this.begunWith)
    return this.finished
      ? `this file was imported with library ${begun} already: --again imports it with ${JSON.stringify(this.asked)}`
      : `this file's import was begun with library ${begun} and can only go on with that`
  }
}

export interface ImportSource {
  readonly sha256: string
  /** For lines that name none. */
  readonly library: { readonly name: string; readonly asked: boolean }
  /** The file's bytes from an offset on; it fails at its end when the file is not what `sha256` says any more. */
  readonly read: (offset: number) => Stream.Stream<Uint8Array, SourceBroken>
}

export interface ImportOptions<E> {
  /** A file that was imported to its end is imported once more; one that was not goes on in any case. */
  readonly again: boolean
  /** Before the first line is read. */
  readonly onBegin: (record: ImportRecord) => Effect.Effect<void, E>
  /** Some of them may be told again, when an import is resumed: those from its first line on. */
  readonly onReject: BatchWriter.OnReject<E>
  /** After every commit. */
  readonly onMove: (standing: Standing) => Effect.Effect<void, E>
}

export interface Outcome {
  /** The file was at its end already; nothing was done. */
  readonly before: boolean
  readonly record: ImportRecord
  readonly from: Standing
  readonly to: Standing
}

type Failed = ImportRunning | ImportMoved | LibraryDiffers | SourceBroken | StoreUnavailable

/** So many batches are read ahead while one is being written. */
const ahead = 2

/** The end is an element of its own: `onHalt` also runs when a read fails, and would take half a line for a whole. */
const end = Symbol("wordloom/import/end")

const batches = (source: ImportSource, from: Standing): Stream.Stream<Batch, SourceBroken> =>
  source.read(from.offset).pipe(
    Stream.concat(Stream.make(end)),
    Stream.mapAccum(
      () => makeBatches(from),
      (reader, chunk) => [reader, chunk === end ? reader.end() : reader.push(chunk)] as const
    ),
    Stream.buffer({ capacity: ahead })
  )

export class Imports extends Context.Service<Imports, {
  /** One file, to its end. Needs the real clock when the store is away for a while. */
  readonly run: <E>(source: ImportSource, options: ImportOptions<E>) => Effect.Effect<Outcome, Failed | E>
}>()("wordloom/import/Imports") {
  static readonly layer = Layer.effect(
    Imports,
    Effect.gen(function*() {
      const progress = yield* ImportProgress
      const write = yield* BatchWriter.make

      const begin = Effect.fnUntraced(function*(source: ImportSource, again: boolean) {
        const known = yield* progress.find(source.sha256)
        const finished = known !== undefined && known.finishedAt !== null
        if (known === undefined || (finished && again)) return yield* progress.begin(source.sha256, source.library.name)
        if (source.library.asked && source.library.name !== known.library) {
          return yield* new LibraryDiffers({ begunWith: known.library, asked: source.library.name, finished })
        }
        return known
      })

      return Imports.of({
        run: (source, options) =>
          Effect.scoped(Effect.gen(function*() {
            yield* progress.hold(source.sha256)
            const record = yield* patiently(begin(source, options.again))
            const from = record.standing
            if (record.finishedAt !== null) return { before: true, record, from, to: from }
            yield* options.onBegin(record)
            let standing = from
            yield* Stream.runForEach(batches(source, from), (batch) =>
              Effect.gen(function*() {
                standing = yield* write(record, standing, batch, options.onReject)
                yield* options.onMove(standing)
              }))
            yield* patiently(progress.finish(source.sha256))
            return { before: false, record, from, to: standing }
          }))
      })
    })
  )
}
