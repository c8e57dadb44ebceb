/** `wordloom trace from-logs`, on lines that the API and a query process wrote about one search. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { fileOf, wordloom } from "./Commands.ts"

const recorded = fileURLToPath(new URL("./recorded/search.jsonl", import.meta.url))
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"

const fromLogs = (...args: ReadonlyArray<string>) => wordloom(["trace", "from-logs", ...args])

describe("wordloom trace from-logs", () => {
  it.live("draws a request's tree, with its gap, busy and idle, and a sentence", () =>
    Effect.gen(function*() {
      const found = yield* fromLogs(recorded, "--request-id", "r-1")
      assert.include(found, { code: 0, err: "" })
      const lines = found.out.split("\n")
      assert.match(
        lines[0]!,
        new RegExp(`^trace ${traceId} .+ 4 spans of wordloom-api, wordloom-query {2}request r-1$`)
      )
      assert.deepStrictEqual(lines.slice(3, 8).map((line) => line.trimEnd().replaceAll(/ {2,}(?=\S)/g, "  ")), [
        "… 00f067aa0ba902b7: no line tells of it",
        "  GET /api/v1/search 200  wordloom-api  41.5",
        "  http-request  wordloom-api  36.3  10.2  26.1  mostly waiting: network, queue or lock",
        "  handle_payload recall  wordloom-query  3.5  2.4  1.2  mostly working",
        "  handle_payload hydrate  wordloom-query  8.6  4.1  4.5  mostly waiting: network, queue or lock"
      ])
      assert.include(found.out, "http-request (wordloom-api) waited 26.1 ms of its 36.3 ms (72 %): mostly waiting")
    }))

  it.live("says the same of a trace's id in JSON, among lines of other programs", () =>
    Effect.gen(function*() {
      const path = yield* fileOf(["starting …", ...readFileSync(recorded, "utf8").split("\n")])
      const found = yield* fromLogs(path, "--trace-id", traceId, "--json")
      assert.include(found, { code: 0, err: "" })
      const { no_json, no_trace, traces: [trace, ...others] } = JSON.parse(found.out)
      assert.deepStrictEqual({ no_json, no_trace, others }, { no_json: 1, no_trace: 5, others: [] })
      assert.deepInclude(trace, { trace_id: traceId, request_ids: ["r-1"], left_out: 0 })
      assert.deepInclude(trace.tree[0], { gap: true, span_id: "00f067aa0ba902b7" })
      assert.deepInclude(trace.tree[2], { name: "http-request", verdict: "waiting", depth: 2 })
    }))

  it.live("lists the newest traces when none is asked for", () =>
    Effect.gen(function*() {
      const found = yield* fromLogs(recorded)
      assert.include(found, { code: 0, err: "" })
      assert.match(found.out, new RegExp(`^TRACE .+\n${traceId} .+ GET /api/v1/search 200\n`))
      assert.include(found.out, "15 lines read, 5 without a trace")
    }))

  it.live("tells what is not there from what is asked wrongly", () =>
    Effect.gen(function*() {
      const unknown = yield* fromLogs(recorded, "--request-id", "r-2")
      assert.deepInclude(unknown, { code: 1, out: "" })
      assert.match(unknown.err, /^no line of request r-2 \(15 lines read, 0 no JSON, 5 without a trace\)/)
      const text = yield* fromLogs(yield* fileOf(["[12:00:00] INFO (#1): hello"]))
      assert.deepInclude(text, { code: 1, out: "" })
      assert.match(text.err, /WORDLOOM_LOG_FORMAT=json/)
      for (const args of [["--trace-id", "xyz"], ["--trace-id", traceId, "--request-id", "r-1"], ["no-such-file"]]) {
        assert.deepInclude(yield* fromLogs(recorded, ...args), { code: 2, out: "" }, args.join(" "))
      }
    }))
})
