/** The lines that are committed together, and where an import stands after them. */
import { type ImportLine, type Reading, readLine, rejected } from "./ImportLine.ts"
import { lineBytesMax, makeSplitter, type RawLine } from "./LineSplitter.ts"

/** More lines per commit gain little, and lose more to a refusal. */
export const linesMax = 500
/** A batch of long lines is closed early, so that memory and the statement stay small. */
export const bytesMax = 1_048_576

/** How far an import is, and what came of it so far. */
export interface Standing {
  readonly nextLine: number
  /** The byte of the file at which `nextLine` begins. */
  readonly offset: number
  readonly imported: number
  readonly rejected: number
  readonly blank: number
}

export const atStart: Standing = { nextLine: 1, offset: 0, imported: 0, rejected: 0, blank: 0 }

export interface Entry {
  readonly number: number
  readonly end: number
  readonly reading: Reading
  /** As it stands in the file, to be mended and tried again; `undefined` when it is too long for that. */
  readonly bytes: Uint8Array | undefined
}

export interface Reject {
  readonly line: number
  readonly reason: string
  readonly bytes: Uint8Array | undefined
}

/** At least one entry, in the order of the file. */
export type Batch = ReadonlyArray<Entry>

export const blocksOf = (batch: Batch): ReadonlyArray<ImportLine> =>
  batch.flatMap(({ reading }) => reading._tag === "Block" ? [reading.line] : [])

export const rejectsOf = (batch: Batch): ReadonlyArray<Reject> =>
  batch.flatMap(({ bytes, number, reading }) =>
    reading._tag === "Rejected" ? [{ line: number, reason: reading.reason, bytes }] : []
  )

/** Where an import stands that stood at `from` and has committed `batch`. */
export const after = (from: Standing, batch: Batch): Standing => {
  const last = batch.at(-1)!
  const count = (tag: Reading["_tag"]) => batch.reduce((sum, { reading }) => reading._tag === tag ? sum + 1 : sum, 0)
  return {
    nextLine: last.number + 1,
    offset: last.end,
    imported: from.imported + count("Block"),
    rejected: from.rejected + count("Rejected"),
    blank: from.blank + count("Blank")
  }
}

const entryOf = ({ bytes, end, number }: RawLine): Entry => ({
  number,
  end,
  bytes,
  reading: bytes === undefined ? rejected(`longer than ${lineBytesMax} bytes`) : readLine(bytes, number === 1)
})

export interface Batches {
  /** The batches that this chunk fills. */
  readonly push: (chunk: Uint8Array) => ReadonlyArray<Batch>
  /** What is left when the file ends. */
  readonly end: () => ReadonlyArray<Batch>
}

/** Reads bytes from `from` on as batches. The same bytes always make the same batches, however they are chunked. */
export const makeBatches = (from: Standing): Batches => {
  const splitter = makeSplitter(from)
  let open: Array<Entry> = []
  let bytes = 0

  const add = (line: RawLine): ReadonlyArray<Batch> => {
    open.push(entryOf(line))
    bytes += line.bytes?.length ?? 0
    return open.length >= linesMax || bytes >= bytesMax ? close() : []
  }

  const close = (): ReadonlyArray<Batch> => {
    const closed = open
    open = []
    bytes = 0
    return closed.length === 0 ? [] : [closed]
  }

  return {
    push: (chunk) => splitter.push(chunk).flatMap(add),
    end: () => {
      const last = splitter.end()
      return [...last === undefined ? [] : add(last), ...close()]
    }
  }
}
