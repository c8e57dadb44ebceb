/** `wordloom trace from-logs`: a trace's tree out of log lines alone, for whoever has no trace store. */
import { Effect, Result, Stream } from "effect"
import { makeSplitter, type RawLine } from "../../../src/import/LineSplitter.ts"
import * as LogBook from "../../../src/trace/LogBook.ts"
import { failure, wrongUsage } from "./ExitCode.ts"
import * as LogReport from "./LogReport.ts"
import { chunksOf, refuseTerminal, standardInput, textOf } from "./LogSource.ts"
import * as Output from "./Output.ts"

export interface Input {
  readonly files: ReadonlyArray<string>
  readonly traceId: string | undefined
  readonly requestId: string | undefined
  readonly json: boolean
}

const askedOf = ({ requestId, traceId }: Input): Result.Result<LogBook.Asked, string> => {
  if (traceId !== undefined && requestId !== undefined) return Result.fail("say one of --trace-id and --request-id")
  if (traceId !== undefined) {
    return /^(?!0+$)[0-9a-f]{32}$/.test(traceId)
      ? Result.succeed({ by: "trace", id: traceId })
      : Result.fail("--trace-id must be 32 lower-case hex digits")
  }
  if (requestId === undefined) return Result.succeed({ by: "all" })
  return /^[!-~]{1,128}$/.test(requestId)
    ? Result.succeed({ by: "request", id: requestId })
    : Result.fail("--request-id must be 1 to 128 printable characters")
}

const sourcesOf = ({ files }: Input) => files.length === 0 ? [standardInput] : [...new Set(files)]

const readInto = (book: LogBook.LogBook, source: string) =>
  Effect.gen(function*() {
    const splitter = makeSplitter({ nextLine: 1, offset: 0 })
    const take = (line: RawLine) => book.add(textOf(line))
    yield* Stream.runForEach(chunksOf(source), (chunk) => Effect.sync(() => splitter.push(chunk).forEach(take)))
    const last = splitter.end()
    if (last !== undefined) take(last)
  })

/** What a person would look into next. */
const nothing = (asked: LogBook.Asked, { lines, noJson, noTrace }: LogBook.Counts) => {
  const read = `${lines} lines read, ${noJson} no JSON, ${noTrace} without a trace`
  if (asked.by !== "all") return `no line of ${asked.by} ${asked.id} (${read}): are these all programs' logs?`
  return `no line has trace_id and span_id (${read}): are the logs JSON (WORDLOOM_LOG_FORMAT=json), and is tracing ` +
    "on (WORDLOOM_TRACING=local is enough)?"
}

export const run = Effect.fnUntraced(function*(input: Input) {
  const asked = yield* Effect.mapError(Effect.fromResult(askedOf(input)), wrongUsage)
  const sources = sourcesOf(input)
  yield* refuseTerminal(sources)
  const book = LogBook.make(asked)
  yield* Effect.forEach(sources, (source) => readInto(book, source), { discard: true })
  const [traces, counts] = [book.traces(), book.counts()]
  if (traces.length === 0) return yield* failure(nothing(asked, counts))
  yield* input.json
    ? Output.printJson(LogReport.toJson(asked, traces, counts))
    : Output.print(LogReport.told(asked, traces, counts))
})
