/** What every trace store's adapter must do, on what a real server of its kind answered about the same real writes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { isWorkers } from "../../src/trace/Story.ts"
import type { Trace } from "../../src/trace/Trace.ts"
import { TraceStore } from "../../src/trace/TraceStore.ts"
import { hasPassed, verify } from "../../src/trace/Verify.ts"
import { type Recording, recordings } from "../trace/Recorded.ts"
import { type Answer, serving } from "../tracestore/RecordedStore.ts"

export interface TraceStoreKind {
  readonly name: string
  readonly layer: (base: URL) => Layer.Layer<TraceStore>
  /** Answers as the server did: traces by id, and what a search for an operation finds. */
  readonly recorded: (names: ReadonlyArray<Recording>) => (url: URL) => Answer | undefined
  readonly idsOf: (name: Recording) => { readonly request: string; readonly workers: ReadonlyArray<string> }
}

const wanted = {
  service: "wordloom-search-outbox-worker",
  operation: "projection.process_batch",
  from: 1_000,
  to: 2_000,
  limit: 20
}

/** Without what only one of the stores keeps: the rest is the same trace. */
export const essence = ({ id, spans }: Trace) => ({
  id,
  spans: spans.map((span) => ({
    ...span,
    start: span.start / 1_000n,
    attributes: Object.fromEntries(Object.entries(span.attributes).toSorted(([a], [b]) => a < b ? -1 : 1)),
    end: undefined
  })).toSorted((a, b) => a.spanId < b.spanId ? -1 : 1)
})

export const traceStoreSuite = ({ idsOf, layer, name, recorded }: TraceStoreKind) => {
  const against = <A, E>(answer: (url: URL) => Answer | undefined, use: Effect.Effect<A, E, TraceStore>) =>
    Effect.flatMap(
      serving(answer),
      ({ asked, base }) => Effect.map(Effect.provide(use, layer(base)), (result) => ({ asked, result }))
    ).pipe(Effect.scoped)

  describe(`traces from ${name}`, () => {
    it.live.each(recordings)("of a real write pass every check: %s", (recording) =>
      Effect.gen(function*() {
        const { request, workers } = idsOf(recording)
        const get = (id: string) => TraceStore.use((store) => store.get(id))
        const { result } = yield* against(recorded([recording]), Effect.forEach([request, ...workers], get))
        const [first, ...others] = result.map((stored) => stored!.trace)
        const checks = verify({ request: first, workers: others, absent: [] })
        assert.deepStrictEqual(checks.filter((check) => !hasPassed([check])), [])
      }))

    it.live("are found by service and operation, whole, within the time that was asked for", () =>
      Effect.gen(function*() {
        const find = TraceStore.use((store) => store.find(wanted))
        const { asked, result } = yield* against(recorded(["tag", "block"]), find)
        assert.strictEqual(result.length, 2)
        for (const { document, trace } of result) {
          assert.isTrue(isWorkers(trace))
          assert.isNotEmpty(JSON.stringify(document))
        }
        const query = decodeURIComponent(asked[0]!.search)
        for (const part of [wanted.service, wanted.operation, "start=1", "end=2", "limit=20"]) {
          assert.include(query, part)
        }
      }))

    it.live("are found by service alone, by an attribute and by how long they took; and whose there are is known", () =>
      Effect.gen(function*() {
        const { operation: _, ...any } = wanted
        const looks = TraceStore.use(({ find, services }) =>
          Effect.all([
            find(any),
            find({ ...any, carries: { key: "error.type", text: "503" } }),
            find({ ...any, longerThanMs: 1_500 }),
            services
          ])
        )
        const { asked, result: [found, , , services] } = yield* against(recorded(["tag"]), looks)
        assert.isNotEmpty(found)
        assert.includeMembers([...services], ["wordloom-api", "wordloom-search-outbox-worker"])
        const queries = asked.map(({ search }) => decodeURIComponent(search))
        const [first, failed, slow] = queries.filter((query) => query.includes(wanted.service))
        assert.notMatch(first!, /operation|name ?= ?"p|error|uration/)
        assert.match(failed!, /error\.type.{1,4}"503"/)
        assert.match(slow!, /uration.{1,6}1500ms/)
      }))

    it.live("are nothing where the store has none", () =>
      Effect.gen(function*() {
        const get = TraceStore.use((store) => store.get("1".repeat(32)))
        assert.isUndefined((yield* against(recorded(["tag"]), get)).result)
        const find = TraceStore.use((store) => store.find(wanted))
        assert.deepStrictEqual((yield* against(recorded([]), find)).result, [])
      }))

    it.live.each<readonly [string, Answer, RegExp]>([
      ["an error", { status: 500, body: "out of memory" }, /HTTP 500 out of memory/],
      ["a page", { body: "<html></html>" }, /the answer is no JSON; --base-url/],
      ["a missing page", { status: 404, body: "<html></html>" }, /HTTP 404/],
      ["another shape", { body: "{\"data\":5,\"batches\":5,\"traces\":5}" }, /the answer is not /],
      ["half an answer", { body: "{\"data\":[" }, /the answer is no JSON/],
      ["too much", { body: `"${"x".repeat(65 * 1024 * 1024)}"` }, /more than 64 MiB; use --limit or --trace-id/]
    ])("are told apart from %s", ([, answer, says]) =>
      Effect.gen(function*() {
        const { result } = yield* against(
          () => answer,
          TraceStore.use((store) => Effect.all([store.find(wanted), store.get("1".repeat(32))])).pipe(Effect.flip)
        )
        assert.strictEqual(result._tag, "TraceStoreUnavailable")
        assert.match(result.message, says)
      }))

    it.live("are not waited for where nobody listens, and no password is told", () =>
      Effect.gen(function*() {
        const find = TraceStore.use((store) => store.find(wanted))
        const base = new URL("http://me:secret@127.0.0.1:1/api?token=secret")
        const { message } = yield* find.pipe(Effect.provide(layer(base)), Effect.flip)
        assert.match(message, /is it running, and --base-url right\?$/)
        assert.notInclude(message, "secret")
      }))
  })
}
