/** `wordloom trace verify` and `trace snapshots`, on what a real Jaeger answered. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type Document, documentOf } from "../trace/Recorded.ts"
import { jaegerOf, serving } from "../tracestore/RecordedStore.ts"
import { folder, wordloom } from "./Commands.ts"

const idOf = (name: "tag" | "retried") => documentOf(name).trace.data[0].traceID

const verify = (base: URL, ...args: ReadonlyArray<string>) =>
  wordloom(["trace", "verify", "--base-url", base.href, "--wait", "0", ...args])

/** Takes the attempts of search, and all below them, out of the request's trace. */
const withoutSearch = (document: Document): Document => {
  const [trace] = document.trace.data
  const processes = Object.entries(trace.processes).filter(([, { serviceName }]) => serviceName.includes("search"))
  const gone = new Set(processes.map(([id]) => id))
  return {
    ...document,
    trace: { data: [{ ...trace, spans: trace.spans.filter(({ processID }) => !gone.has(processID)) }] }
  }
}

describe("wordloom trace verify", () => {
  it.live("passes on the SOP's own flags, and leaves evidence", () =>
    Effect.gen(function*() {
      const { asked, base } = yield* jaegerOf(["tag"])
      const root = yield* folder
      const sop = ["--service", "wordloom-search-outbox-worker", "--outdir", root, "--lookback", "30m"]
      const found = yield* verify(base, ...sop, "--operation", "projection.process_batch")
      assert.include(found, { code: 0, err: "" })
      assert.match(found.out, /^PASS {2}trace [0-9a-f]{32} {2}POST \/api\/v1\/tags: 15 spans of 3 services, 2 batches/)
      assert.strictEqual(found.out.match(/^\w+ +PASS /gm)?.length, 21)
      const [query] = asked
      assert.strictEqual(query!.searchParams.get("operation"), "projection.process_batch")
      const reach = Number(query!.searchParams.get("end")) - Number(query!.searchParams.get("start"))
      assert.isAtLeast(reach, 1_800_000_000)

      const [set] = readdirSync(root)
      assert.match(set!, /^trace-\d{8}T\d{6}Z-pass-[0-9a-f]{8}$/)
      assert.include(found.out, `snapshot: ${join(root, set!)}`)
      const read = (name: string) => readFileSync(join(root, set!, name), "utf8")
      assert.deepInclude(JSON.parse(read("report.json")), { lab: "trace", evidence: "pass", verdict: "PASS" })
      assert.deepStrictEqual(
        JSON.parse(read("trace.json")).request,
        documentOf("tag").trace.data[0] && {
          data: [documentOf("tag").trace.data[0]]
        }
      )
      assert.include(read("report.txt"), "PASS  trace")
      assert.match(read("waterfall.svg"), /^<svg [^]*outbox\.wait queue[^]*<\/svg>\n$/)
    }))

  it.live("follows one change from its own trace, in JSON", () =>
    Effect.gen(function*() {
      const { base } = yield* jaegerOf(["retried", "tag"])
      const found = yield* verify(base, "--trace-id", idOf("retried"), "--json")
      assert.include(found, { code: 0, err: "" })
      const report = JSON.parse(found.out)
      assert.deepInclude(report, { verdict: "PASS", evidence: "end-to-end", shown: idOf("retried") })
      assert.strictEqual(report.stories.length, 1)
      assert.strictEqual(report.stories[0].worker_trace_ids.length, 4)
      assert.isTrue(report.stories[0].checks.every(({ verdict }: { verdict: string }) => verdict === "PASS"))
    }))

  it.live("fails on a half that is missing, says which, and tells of the others", () =>
    Effect.gen(function*() {
      const { base } = yield* jaegerOf(["retried"], withoutSearch)
      const found = yield* verify(base, "--service", "wordloom-api", "--operation", "PATCH /api/v1/blocks/:id")
      assert.include(found, { code: 1, err: "the trace is not what the contract promises\n" })
      assert.match(found.out, /^FAIL {2}trace /)
      assert.match(found.out, /^halves +FAIL /m)
      assert.match(found.out, /^ {2}halves: outbox\.enqueue \(search\) [0-9a-f]{16} has no worker's half/m)
    }))

  it.live("waits until the second half has arrived", () =>
    Effect.gen(function*() {
      const whole = documentOf("tag")
      let looks = 0
      const { base } = yield* serving(({ pathname }) => {
        const id = pathname.split("/").at(-1)
        if (id !== whole.trace.data[0].traceID) {
          return { body: JSON.stringify(whole.workers.find(({ data }) => data[0].traceID === id)) }
        }
        looks += 1
        return { body: JSON.stringify(looks < 3 ? withoutSearch(whole).trace : whole.trace) }
      })
      const found = yield* wordloom(["trace", "verify", "--base-url", base.href, "--trace-id", idOf("tag")])
      assert.include(found, { code: 0, err: "" })
      assert.strictEqual(looks, 3)
    }))

  it.live("tells a store without the trace from one that is no store", () =>
    Effect.gen(function*() {
      const { base } = yield* jaegerOf(["tag"])
      const unknown = yield* verify(base, "--trace-id", "1".repeat(32))
      assert.strictEqual(unknown.code, 1)
      assert.match(unknown.err, /^Jaeger has no trace 1{32}: it may not have arrived yet \(--wait\)/)
      const none = yield* verify(base, "--operation", "projection.nothing")
      assert.strictEqual(none.code, 1)
      assert.match(none.err, /is tracing on \(WORDLOOM_TRACING_ENABLED=1\)/)
      const page = yield* serving(() => ({ body: "<html>Jaeger UI</html>" }))
      const other = yield* verify(page.base)
      assert.include(other, { code: 2, out: "" })
      assert.match(other.err, /the answer is no JSON; --base-url is the query API's/)
      const refused = yield* verify(new URL("http://127.0.0.1:9/api"))
      assert.include(refused, { code: 2, out: "" })
      assert.match(refused.err, /^Jaeger at http:\/\/127\.0\.0\.1:9\/api\/traces: .+is it running/)
    }))

  it.live("refuses flags that mean nothing", () =>
    Effect.gen(function*() {
      for (
        const args of [
          ["--lookback", "1y"],
          ["--wait", "forever"],
          ["--since", "yesterday"],
          ["--trace-id", "xyz"],
          ["--trace-id", "0".repeat(32)],
          ["--limit", "0"],
          ["--lab", "../up"],
          ["--base-url", "ftp://x"],
          ["--backend", "zipkin"]
        ]
      ) {
        const found = yield* wordloom(["trace", "verify", ...args])
        assert.include(found, { code: 2, out: "" }, args.join(" "))
        assert.include(found.err, args[0]!, args.join(" "))
      }
    }))
})

describe("wordloom trace snapshots", () => {
  it.live("keeps each lab's end-to-end set and PASS set, and tells what it removes", () =>
    Effect.gen(function*() {
      const { base } = yield* jaegerOf(["tag"])
      const broken = yield* jaegerOf(["retried"], withoutSearch)
      const root = yield* folder
      const take = (at: URL, lab: string, ...args: ReadonlyArray<string>) =>
        verify(at, "--outdir", root, "--lab", lab, ...args)
      yield* take(base, "one")
      yield* take(broken.base, "one", "--trace-id", idOf("retried"))
      yield* take(base, "one", "--trace-id", idOf("tag"))
      yield* take(base, "one")
      yield* take(base, "two")
      mkdirSync(join(root, "mine"))
      writeFileSync(join(root, "mine", "report.json"), "{}")
      const before = readdirSync(root)
      assert.strictEqual(before.length, 6)

      const snapshots = (command: string, ...args: ReadonlyArray<string>) =>
        wordloom(["trace", "snapshots", command, "--outdir", root, ...args])
      const dry = yield* snapshots("prune", "--dry-run")
      assert.include(dry, { code: 0, err: "" })
      assert.match(dry.out, /^would remove 2, kept 3$/m)
      assert.match(dry.out, /^left alone, not a snapshot of ours: mine$/m)
      assert.deepStrictEqual(readdirSync(root), before)

      const pruned = yield* snapshots("prune", "--json")
      const { left_alone, sets } = JSON.parse(pruned.out)
      assert.deepStrictEqual(left_alone, ["mine"])
      for (const { name, removed } of sets) assert.strictEqual(existsSync(join(root, name)), !removed, name)
      assert.deepStrictEqual(
        sets.filter(({ keep }: { keep: boolean }) => keep).map(({ evidence, lab }: { evidence: string; lab: string }) =>
          `${lab} ${evidence}`
        ),
        ["one pass", "one end-to-end", "two pass"]
      )
      const again = yield* snapshots("prune")
      assert.match(again.out, /^removed 0, kept 3$/m)
      assert.strictEqual((yield* snapshots("list", "--lab", "two")).out.split("\n").length, 4)
      assert.strictEqual((yield* wordloom(["trace", "snapshots", "list", "--outdir", join(root, "no")])).code, 2)
    }))

  it.live("are refused at once where no folder can be, as in /proc", () =>
    Effect.gen(function*() {
      const { base } = yield* jaegerOf(["tag"])
      const { code, err } = yield* verify(base, "--outdir", "/proc/none/of/ours")
      assert.strictEqual(code, 2)
      assert.include(err, "/proc/none/of/ours cannot be written to")
    }))
})
