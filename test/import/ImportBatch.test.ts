/** Bytes become lines and lines become batches, and any place between two lines is a place to go on from. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import {
  after,
  atStart,
  type Batch,
  blocksOf,
  bytesMax,
  linesMax,
  makeBatches,
  rejectsOf,
  type Standing
} from "../../src/import/ImportBatch.ts"
import { lineBytesMax, makeSplitter, type RawLine } from "../../src/import/LineSplitter.ts"

const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array | undefined) => bytes === undefined ? undefined : new TextDecoder().decode(bytes)

/** Chunks of the given sizes, over and over. */
const chunked = (bytes: Uint8Array, sizes: ReadonlyArray<number>) => {
  const chunks: Array<Uint8Array> = []
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = Math.max(1, sizes[turn % Math.max(1, sizes.length)] ?? bytes.length)
    chunks.push(bytes.slice(at, at + size))
    at += size
  }
  return chunks
}

const linesOf = (chunks: ReadonlyArray<Uint8Array>, from: Pick<Standing, "nextLine" | "offset"> = atStart) => {
  const splitter = makeSplitter(from)
  const lines: Array<RawLine> = chunks.flatMap((chunk) => [...splitter.push(chunk)])
  const last = splitter.end()
  return last === undefined ? lines : [...lines, last]
}

const batchesOf = (chunks: ReadonlyArray<Uint8Array>, from: Standing = atStart): ReadonlyArray<Batch> => {
  const reader = makeBatches(from)
  return [...chunks.flatMap((chunk) => [...reader.push(chunk)]), ...reader.end()]
}

const Lines = Schema.Array(Schema.String)
const Sizes = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 }))).check(Schema.isMinLength(1))

describe("Splitting", () => {
  it.prop(
    "finds the lines that are there, however the bytes come",
    [Lines, Sizes, Schema.Boolean],
    ([texts, sizes, ended]) => {
      const all = texts.map((text) => text.replaceAll("\n", " "))
      const text = all.join("\n") + (ended && all.length > 0 ? "\n" : "")
      const expected = text.split("\n")
      if (expected.at(-1) === "") expected.pop()
      const lines = linesOf(chunked(bytesOf(text), sizes))
      assert.deepStrictEqual(lines.map(({ bytes }) => textOf(bytes)), expected.map((line) => textOf(bytesOf(line))))
      assert.deepStrictEqual(lines.map(({ number }) => number), expected.map((_, at) => at + 1))
    }
  )

  it.prop("goes on from the end of any line as if it had never stopped", [Lines, Sizes], ([texts, sizes]) => {
    const bytes = bytesOf(texts.join("\n"))
    const whole = linesOf([bytes])
    whole.forEach(({ end, number }, at) => {
      const rest = linesOf(chunked(bytes.slice(end), sizes), { nextLine: number + 1, offset: end })
      assert.deepStrictEqual(
        rest.map((line) => ({ ...line, bytes: textOf(line.bytes) })),
        whole.slice(at + 1).map((line) => ({ ...line, bytes: textOf(line.bytes) }))
      )
    })
  })

  it("lets a line go by that is too long, and keeps the next one", () => {
    const fits = "x".repeat(lineBytesMax)
    const lines = linesOf(chunked(bytesOf(`${fits}\n${fits}y\nz`), [65_536]))
    assert.deepStrictEqual(lines.map(({ bytes }) => bytes?.length), [lineBytesMax, undefined, 1])
    assert.deepStrictEqual(lines.map(({ end }) => end), [lineBytesMax + 1, 2 * lineBytesMax + 3, 2 * lineBytesMax + 4])
  })
})

const block = (title: string, body = "b") => JSON.stringify({ title, body })

describe("Batching", () => {
  it.prop("is the same however the bytes come, and counts every line once", [Lines, Sizes], ([texts, sizes]) => {
    const bytes = bytesOf(texts.map((text, at) => at % 2 === 0 ? block(`t${text}`) : text).join("\n"))
    const batches = batchesOf(chunked(bytes, sizes))
    assert.deepStrictEqual(batches, batchesOf([bytes]))
    const end = batches.reduce(after, atStart)
    assert.strictEqual(end.nextLine - 1, end.imported + end.rejected + end.blank)
    assert.strictEqual(end.imported, batches.flatMap(blocksOf).length)
    assert.strictEqual(end.rejected, batches.flatMap(rejectsOf).length)
    if (batches.length > 0) assert.strictEqual(end.offset, bytes.length)
  })

  it("closes a batch when it has enough lines", () => {
    const lines = Array.from({ length: 2 * linesMax + 1 }, (_, at) => block(`t${at}`))
    const batches = batchesOf([bytesOf(lines.join("\n"))])
    assert.deepStrictEqual(batches.map(({ length }) => length), [linesMax, linesMax, 1])
  })

  it("closes a batch when its lines are long", () => {
    const line = block("t", "x".repeat(90_000))
    const batches = batchesOf([bytesOf(`${line}\n`.repeat(30))])
    const most = Math.ceil(bytesMax / line.length)
    assert.deepStrictEqual(batches.map(({ length }) => length), [most, most, 30 - 2 * most])
  })

  it("goes on after a batch with the lines that are left", () => {
    const bytes = bytesOf(Array.from({ length: 1_200 }, (_, at) => block(`t${at}`)).join("\n"))
    const [first, ...rest] = batchesOf([bytes])
    const from = after(atStart, first!)
    assert.deepStrictEqual(batchesOf([bytes.slice(from.offset)], from), rest)
  })

  it("makes nothing of an empty file", () => {
    assert.isEmpty(batchesOf([]))
  })

  it("says of a line that is too long how long it may be", () => {
    const [batch] = batchesOf([bytesOf("x".repeat(lineBytesMax + 1))])
    assert.deepStrictEqual(rejectsOf(batch!), [{ line: 1, reason: "longer than 1048576 bytes", bytes: undefined }])
  })
})
