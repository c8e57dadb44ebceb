/** Cuts a stream of bytes into numbered lines, holding never more of it than one line may be long. */

/** A longer one is not kept while it goes by. */
export const lineBytesMax = 1_048_576

const newline = 0x0a

export interface RawLine {
  /** The first line of a file is 1. */
  readonly number: number
  /** Where in the file the next line begins. */
  readonly end: number
  /** Without its line break; `undefined` when it is longer than `lineBytesMax`. */
  readonly bytes: Uint8Array | undefined
}

export interface LineSplitter {
  /** The lines that end in this chunk. */
  readonly push: (chunk: Uint8Array) => ReadonlyArray<RawLine>
  /** The last line, if no line break ended it. */
  readonly end: () => RawLine | undefined
}

const joined = (parts: ReadonlyArray<Uint8Array>, length: number): Uint8Array => {
  if (parts.length === 1) return parts[0]!
  const all = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** `from`: the line that the first byte belongs to, and where in the file that byte is. */
export const makeSplitter = (from: { readonly nextLine: number; readonly offset: number }): LineSplitter => {
  let number = from.nextLine
  let offset = from.offset
  let parts: Array<Uint8Array> = []
  let length = 0

  const hold = (part: Uint8Array) => {
    length += part.length
    if (length > lineBytesMax) parts = []
    else if (part.length > 0) parts.push(part)
  }

  const take = (lineBreak: number): RawLine => {
    offset += length + lineBreak
    const line = { number: number++, end: offset, bytes: length > lineBytesMax ? undefined : joined(parts, length) }
    parts = []
    length = 0
    return line
  }

  return {
    push: (chunk) => {
      const lines: Array<RawLine> = []
      let at = 0
      for (let found = chunk.indexOf(newline); found >= 0; found = chunk.indexOf(newline, at)) {
        hold(chunk.subarray(at, found))
        lines.push(take(1))
        at = found + 1
      }
      hold(chunk.subarray(at))
      return lines
    },
    end: () => length === 0 ? undefined : take(0)
  }
}
