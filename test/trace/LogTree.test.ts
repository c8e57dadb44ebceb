/** A trace's tree out of log lines: gaps, order, bounds, and what is made of lines that are none. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as LogBook from "../../src/trace/LogBook.ts"
import { readLine } from "../../src/trace/LogLine.ts"
import { rowsOf, sentenceOf, verdictOf } from "../../src/trace/LogTree.ts"

const trace = (at: number) => at.toString(16).padStart(32, "0")
const span = (at: number) => at.toString(16).padStart(16, "0")

interface Line {
  readonly trace?: number
  readonly span: number
  readonly parent?: number
  readonly second?: number
  readonly fields?: Readonly<Record<string, unknown>>
}

const lineOf = ({ fields = {}, parent, second = 0, span: at, trace: of = 1 }: Line) =>
  JSON.stringify({
    timestamp: new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString(),
    level: "info",
    message: `span ${at}`,
    "service.name": "wordloom-api",
    trace_id: trace(of),
    span_id: span(at),
    ...(parent === undefined ? {} : { parent_id: span(parent) }),
    request_id: `r-${of}`,
    ...fields
  })

const bookOf = (lines: ReadonlyArray<string>, asked: LogBook.Asked = { by: "all" }, room?: number) => {
  const book = LogBook.make(asked, room)
  lines.forEach(book.add)
  return book
}

const treeOf = (lines: ReadonlyArray<Line>) => {
  const [found] = bookOf(lines.map(lineOf)).traces()
  return rowsOf(found!).map((row) =>
    `${"  ".repeat(row.depth)}${row._tag === "Gap" ? `gap ${Number(`0x${row.spanId}`)}` : row.span.name}`
  )
}

const told = (name: string, busy: number, idle: number) => ({
  span: name,
  duration_ms: busy + idle,
  busy_ns: busy * 1e6,
  idle_ns: idle * 1e6
})

const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 1, maximum }))
const lines = Schema.NonEmptyArray(Schema.Struct({ span: upTo(12), parent: upTo(14), second: upTo(59) }))

describe("a trace out of log lines", () => {
  it("stands in the order of its spans' beginnings, with a gap for a parent that no line tells of", () => {
    const lines = [
      { span: 3, parent: 2, second: 9, fields: { span: "later" } },
      { span: 4, parent: 2, second: 5, fields: { span: "earlier", duration_ms: 4_000 } },
      { span: 2, parent: 7, second: 9, fields: { duration_ms: 9_000, message: "GET / 200" } },
      { span: 5, parent: 8, second: 10 }
    ]
    assert.deepStrictEqual(treeOf(lines), ["gap 7", "  GET / 200", "    earlier", "    later", "gap 8", "  \"span 5\""])
  })

  it("shows spans that are each other's ancestors, and its own parent, once", () => {
    const lines = [{ span: 1, parent: 2 }, { span: 2, parent: 1 }, { span: 3, parent: 3 }, { span: 4 }]
    assert.sameMembers(treeOf(lines).map((row) => row.trim()), ["\"span 1\"", "\"span 2\"", "\"span 3\"", "\"span 4\""])
  })

  it.prop("places every span once, whatever its parents are, and in any order of the lines", { lines }, (given) => {
    const [found] = bookOf(given.lines.map(lineOf)).traces()
    const rows = rowsOf(found!)
    const spans = rows.flatMap((row) => row._tag === "Span" ? [row.span.spanId] : [])
    assert.deepStrictEqual(spans.toSorted(), [...found!.spans.keys()].toSorted())
    for (const row of rows) if (row._tag === "Gap") assert.isFalse(found!.spans.has(row.spanId))
  })

  it("says which span waited, and where the wait was that nothing below explains", () => {
    const lines = [
      { span: 1, fields: told("http-request", 2, 18) },
      { span: 2, parent: 1, fields: { ...told("handle_payload", 9, 1), stage: "recall" } },
      { span: 3, parent: 1, fields: { ...told("handle_payload", 1, 7), stage: "hydrate", "service.name": "q" } }
    ]
    const [found] = bookOf(lines.map(lineOf)).traces()
    assert.strictEqual(
      sentenceOf(found!),
      "http-request (wordloom-api) waited 18.0 ms of its 20.0 ms (90 %): mostly waiting: network, queue or lock; " +
        "most of that in handle_payload hydrate (q), 7.0 ms"
    )
    const verdicts = [...found!.spans.values()].map(verdictOf)
    assert.deepStrictEqual(verdicts, ["waiting", "working", "waiting"])
    const [silent] = bookOf([lineOf({ span: 1, fields: { duration_ms: 3 } })]).traces()
    assert.match(sentenceOf(silent!), /^no line tells busy from idle/)
  })

  it("counts lines that are no JSON, and lines without a trace", () => {
    const lines = ["", "Error: no", "{\"a\":", "[1]", "null", "{\"level\":\"info\"}", lineOf({ span: 1 })]
    const book = bookOf(lines)
    assert.deepInclude(book.counts(), { lines: 6, noJson: 4, noTrace: 1 })
    assert.strictEqual(book.traces().length, 1)
  })

  it("reads lines that have a program's name in front, and leaves out what moves a cursor", () => {
    const read = readLine(`api-1  | ${lineOf({ span: 1, fields: { span: "a\u001b[2Jb", "error.type": "Broken" } })}`)
    assert.deepInclude(read, { span: "a [2Jb", error: "Broken", requestId: "r-1" })
  })

  it.prop("never throws, whatever a line is", { text: Schema.String, value: Schema.Json }, ({ text, value }) => {
    readLine(text)
    readLine(JSON.stringify(value))
    for (const field of ["timestamp", "parent_id", "span", "message", "duration_ms", "busy_ns", "error.type"]) {
      assert.isObject(readLine(lineOf({ span: 1, fields: { [field]: value } })))
    }
  })

  it("keeps the newest traces within its room, and what was asked for by name in any case", () => {
    const lines = Array.from({ length: 50 }, (_, at) => lineOf({ trace: at + 1, span: at + 1, second: at }))
    const book = bookOf(lines, { by: "all" }, 10)
    assert.isAtMost(book.traces().reduce((sum, { spans }) => sum + spans.size, 0), 10)
    assert.strictEqual(book.traces()[0]!.id, trace(50))
    assert.isAbove(book.counts().forgotten, 0)
    const [first] = bookOf(lines, { by: "request", id: "r-1" }, 10).traces()
    assert.strictEqual(first!.id, trace(1))
    const [wide] = bookOf(lines.map((_, at) => lineOf({ span: at + 1 })), { by: "trace", id: trace(1) }, 10).traces()
    assert.deepStrictEqual([wide!.spans.size, wide!.leftOut, wide!.lines], [10, 40, 50])
  })
})
