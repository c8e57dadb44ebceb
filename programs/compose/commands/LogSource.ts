/** Where a command reads log lines: files, or what is piped into it. */
import { Effect, Stream } from "effect"
import { createReadStream, statSync } from "node:fs"
import { makeSplitter, type RawLine } from "../../../src/import/LineSplitter.ts"
import { type CommandFailed, wrongUsage } from "./ExitCode.ts"

export const standardInput = "-"

const utf8 = new TextDecoder("utf-8", { ignoreBOM: false })

/** Lines that are longer than any program of ours writes are no JSON. */
export const textOf = ({ bytes }: RawLine) => bytes === undefined ? "(too long)" : utf8.decode(bytes)

const reason = (error: unknown) => {
  const { code } = error as NodeJS.ErrnoException
  return code === "ENOENT" ? "there is no such file" : `it cannot be read (${code ?? String(error)})`
}

const unreadable = (source: string) => (error: unknown) =>
  wrongUsage(`${source === standardInput ? "standard input" : source}: ${reason(error)}`)

/** Nobody types log lines. */
export const refuseTerminal = (sources: ReadonlyArray<string>) =>
  sources.includes(standardInput) && process.stdin.isTTY
    ? Effect.fail(wrongUsage("which lines? Name files, or pipe a program's output into this"))
    : Effect.void

/** `from`: the first byte of a file that is read. */
export const chunksOf = (source: string, from = 0) =>
  Stream.fromAsyncIterable<Uint8Array, CommandFailed>(
    source === standardInput ? process.stdin : createReadStream(source, { start: from }),
    unreadable(source)
  )

/** A thousand lines are far less. */
const tailBytes = 8_388_608

const sizeOf = (source: string) =>
  source === standardInput ? Effect.succeed(0) : Effect.try({
    try: () => statSync(source).size,
    catch: unreadable(source)
  })

/** The last lines, of a file without reading all of it. */
export const lastLines = Effect.fnUntraced(function*(source: string, max: number) {
  yield* refuseTerminal([source])
  const from = Math.max(0, (yield* sizeOf(source)) - tailBytes)
  const splitter = makeSplitter({ nextLine: 1, offset: 0 })
  let lines: ReadonlyArray<RawLine> = []
  // The first line of a part of a file is a part of a line.
  let left = from > 0 ? 1 : 0
  const keep = (more: ReadonlyArray<RawLine>) => {
    const whole = more.slice(left)
    left -= more.length - whole.length
    lines = [...lines, ...whole].slice(-max)
  }
  yield* Stream.runForEach(chunksOf(source, from), (chunk) => Effect.sync(() => keep(splitter.push(chunk))))
  const last = splitter.end()
  if (last !== undefined) keep([last])
  return lines.map(textOf)
})
