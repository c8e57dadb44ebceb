/** What the request plane promises over every wire: the answer, the error, the trace and the patience are the same. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Layer, Metric, Option, References } from "effect"
import * as SearchIndexMemory from "../../layers/memory/SearchIndexMemory.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import { AnswerBy } from "../../src/plane/Envelope.ts"
import * as Front from "../../src/plane/Front.ts"
import { RequestPlane, type Wire } from "../../src/plane/RequestPlane.ts"
import { atOnceMax, heldMax } from "../../src/plane/Stages.ts"
import { SearchIndex, SearchUnavailable } from "../../src/search/SearchIndex.ts"
import { parseQuery } from "../../src/search/SearchQuery.ts"
import { CurrentRequest } from "../../src/telemetry/CurrentRequest.ts"
import { invalidContexts } from "../../src/telemetry/Metrics.ts"
import { TraceCarrier } from "../../src/telemetry/TraceCarrier.ts"
import { newWord, put, write } from "../search/SearchFixtures.ts"
import * as RecordedSpans from "../support/RecordedSpans.ts"

type Index = typeof SearchIndex.Service

/** The plane over an index; `E` is what can go wrong in opening it. */
export type PlaneOver = (index: Layer.Layer<SearchIndex>) => Layer.Layer<RequestPlane, unknown>

const changed = (change: (index: Index) => Partial<Index>) =>
  Layer.effect(SearchIndex, Effect.map(SearchIndex, (index) => SearchIndex.of({ ...index, ...change(index) }))).pipe(
    Layer.provide(SearchIndexMemory.layer)
  )

/** Where a stage is asked from, and what the index of the process that serves it does. */
const over = (plane: PlaneOver, change: (index: Index) => Partial<Index> = () => ({})) => {
  const index = changed(change)
  return Layer.mergeAll(plane(index), index).pipe(
    Layer.provideMerge(Layer.merge(RecordedSpans.layer, Layer.succeed(References.MinimumLogLevel, "Fatal")))
  )
}

const query = (text: string) => ({ terms: parseQuery(text) })

const failureOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.exit(effect), (exit) => {
    if (Exit.isSuccess(exit)) throw new Error("it did not fail")
    return Option.getOrThrow(Cause.findErrorOption(exit.cause)) as { readonly _tag: string; readonly message: string }
  })

export const suite = (wire: Wire, plane: PlaneOver) =>
  describe(`the request plane over ${wire}`, () => {
    it.live("answers a search as the index does, page after page", () =>
      Effect.gen(function*() {
        const word = newWord()
        const all = Array.from({ length: 5 }, (_, at) => write({ title: `${word} ${at}`, body: `"${word}" <&> 東京` }))
        yield* put(...all)
        const first = yield* Front.find(query(word), 3, undefined)
        const second = yield* Front.find(query(word), 3, first.next_cursor ?? undefined)
        assert.strictEqual(first.items.length, 3)
        assert.isNull(second.next_cursor)
        assert.sameMembers([...first.items, ...second.items].map(({ id }) => id), all.map(({ id }) => id))
        for (const { snippet } of first.items) assert.include(snippet, "<mark>")
        assert.deepStrictEqual(yield* Front.find(query(newWord()), 3, undefined), { items: [], next_cursor: null })
      }).pipe(Effect.provide(over(plane))))

    it.live("makes one trace of it, with the request's id on every span, and tells busy from idle", () =>
      Effect.gen(function*() {
        const word = newWord()
        yield* put(write({ title: word }))
        yield* Front.find(query(word), 1, undefined).pipe(
          Effect.provideService(CurrentRequest, { requestId: "r-1", actor: "anonymous" }),
          Effect.withSpan("GET /api/v1/search")
        )
        const [root] = yield* RecordedSpans.named("GET /api/v1/search")
        const [caller, server] = wire === "inproc" ? ["", ""] : [" CLIENT", " SERVER"]
        assert.deepStrictEqual(yield* RecordedSpans.tree(root!, "stage", "x_request_id", "request_plane"), [
          "GET /api/v1/search",
          `  http-request${caller} x_request_id=r-1 request_plane=${wire}`,
          `    handle_payload${server} stage=recall x_request_id=r-1 request_plane=${wire}`,
          `    handle_payload${server} stage=hydrate x_request_id=r-1 request_plane=${wire}`
        ])
        for (const span of yield* RecordedSpans.all) {
          if (span.name === "GET /api/v1/search") continue
          assert.strictEqual(span.traceId, root!.traceId)
          const [busy, idle] = [span.attributes.get("busy_ns"), span.attributes.get("idle_ns")]
          assert.isAbove(Number(busy), 0)
          assert.isAtLeast(Number(idle), 0)
        }
      }).pipe(Effect.provide(over(plane))))

    it.live("knows a stage that waits from one that works", () =>
      Effect.gen(function*() {
        yield* Front.find(query("dog"), 1, undefined)
        const [stage] = yield* RecordedSpans.named("handle_payload")
        assert.isAtLeast(Number(stage!.attributes.get("idle_ns")), 45e6)
        assert.isAtLeast(Number(stage!.attributes.get("busy_ns")), 20e6)
      }).pipe(Effect.provide(over(plane, ({ recall }) => ({
        recall: (...asked) =>
          Effect.sync(() => {
            const until = performance.now() + 20
            while (performance.now() < until);
          }).pipe(Effect.andThen(recall(...asked)), Effect.delay("50 millis"))
      })))))

    it.live("gives out the index's own errors, typed, with both spans failed", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* failureOf(Front.find(query("dog"), 1, "damaged")))._tag, "CursorInvalid")
        const failed = (yield* RecordedSpans.all).filter((span) => RecordedSpans.errorOf(span) !== undefined)
        assert.sameMembers(failed.map(({ name }) => name), ["http-request", "handle_payload"])
        for (const span of failed) assert.strictEqual(span.attributes.get("error.type"), "CursorInvalid")
      }).pipe(Effect.provide(over(plane))))

    it.live("says that the engine is away", () =>
      Effect.gen(function*() {
        const error = yield* failureOf(Front.find(query("dog"), 1, undefined))
        assert.strictEqual(error._tag, "SearchUnavailable")
        assert.strictEqual(error.message, "the search engine (postgres) did not answer")
      }).pipe(Effect.provide(over(plane, () => ({
        recall: () => Effect.fail(new SearchUnavailable({ engine: "postgres", cause: new Error("away") }))
      })))))

    it.live("passes the dead line on, and ends the work of whoever missed it", () =>
      Effect.gen(function*() {
        const { recall } = yield* RequestPlane
        const by = BigInt(Date.now() + 100) * 1_000_000n
        const error = yield* failureOf(
          recall({ query: query("dog"), limit: 1, cursor: null }).pipe(Effect.provideService(AnswerBy, by))
        )
        assert.deepInclude(error, { _tag: "StageFailed", message: "the recall stage of the search is too slow" })
      }).pipe(Effect.provide(over(plane, () => ({ recall: () => Effect.never })))))

    it.live("does not ask when the dead line has passed", () => {
      let asked = 0
      return Effect.gen(function*() {
        const { recall } = yield* RequestPlane
        const wanted = recall({ query: query("dog"), limit: 1, cursor: null })
        const error = yield* failureOf(Effect.provideService(wanted, AnswerBy, 1n))
        assert.deepInclude(error, { message: "the recall stage of the search is too slow" })
        assert.strictEqual(asked, 0)
      }).pipe(Effect.provide(over(plane, ({ recall }) => ({
        recall: (...wanted) => Effect.andThen(Effect.sync(() => asked++), recall(...wanted))
      }))))
    })

    it.live("cancels what nobody waits for any more", () => {
      const begun = Deferred.makeUnsafe<void>()
      const ended = Deferred.makeUnsafe<void>()
      return Effect.gen(function*() {
        const search = yield* Effect.forkChild(Front.find(query("dog"), 1, undefined))
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(search)
        yield* Deferred.await(ended)
      }).pipe(Effect.provide(over(plane, () => ({
        recall: () =>
          Effect.andThen(Deferred.succeed(begun, undefined), Effect.never).pipe(
            Effect.onInterrupt(() => Deferred.succeed(ended, undefined))
          )
      }))))
    })
  })

/** Only of a wire: in one process a defect is a defect. */
export const remoteSuite = (wire: Wire, plane: PlaneOver, nobodyThere: Layer.Layer<RequestPlane, unknown>) =>
  describe(`the request plane over ${wire}, in trouble`, () => {
    it.live("says that a stage broke, and serves the next payload", () => {
      let broken = true
      return Effect.gen(function*() {
        const error = yield* failureOf(Front.find(query("dog"), 1, undefined))
        assert.deepInclude(error, { _tag: "StageFailed", message: "the recall stage of the search is broken" })
        broken = false
        assert.deepStrictEqual((yield* Front.find(query("dog"), 1, undefined)).items, [])
      }).pipe(Effect.provide(over(plane, ({ recall }) => ({
        recall: (...asked) => broken ? Effect.die(new Error("a bug")) : recall(...asked)
      }))))
    })

    it.live("says that a stage was given up, which is an answer like any other, and serves the next payload", () => {
      let ends = true
      return Effect.gen(function*() {
        const error = yield* failureOf(Front.find(query("dog"), 1, undefined))
        assert.deepInclude(error, { _tag: "StageFailed", message: "the recall stage of the search is unreachable" })
        ends = false
        assert.deepStrictEqual((yield* Front.find(query("dog"), 1, undefined)).items, [])
      }).pipe(Effect.provide(over(plane, ({ recall }) => ({
        recall: (...asked) => ends ? Effect.interrupt : recall(...asked)
      }))))
    })

    it.live("refuses at once what is more than a process holds, and goes on when there is room again", () => {
      let [asked, isFree] = [0, true]
      const hung = Deferred.makeUnsafe<void>()
      return Effect.gen(function*() {
        const { recall } = yield* RequestPlane
        const wanted = recall({ query: query("dog"), limit: 1, cursor: null })
        // Making so many calls may take a busy machine longer than a connection may take to open.
        yield* wanted
        isFree = false
        const refused = Deferred.makeUnsafe<string>()
        const one = Effect.tapError(wanted, ({ message }) => Deferred.succeed(refused, message))
        const all = yield* Effect.forEach(Array.from({ length: heldMax + 1 }), () => Effect.forkChild(one))
        assert.strictEqual(yield* Deferred.await(refused), "the recall stage of the search is full")
        assert.strictEqual(asked, atOnceMax)
        yield* Deferred.succeed(hung, undefined)
        yield* Fiber.awaitAll(all)
        assert.deepStrictEqual((yield* wanted).items, [])
      }).pipe(Effect.provide(over(plane, ({ recall }) => ({
        recall: (...wanted) =>
          Effect.suspend(() => {
            if (isFree) return recall(...wanted)
            asked++
            return Effect.andThen(Deferred.await(hung), recall(...wanted))
          })
      }))))
    })

    it.live("takes no answer beyond its bound, and serves the next payload", () => {
      let size = 5 * 1024 * 1024
      return Effect.gen(function*() {
        const { hydrate } = yield* RequestPlane
        const wanted = hydrate({ terms: parseQuery("dog"), found: [] })
        const error = yield* failureOf(wanted)
        assert.deepInclude(error, { _tag: "StageFailed" })
        assert.match(error.message, /^the hydrate stage of the search is (broken|unreachable)$/)
        size = 0
        // The rest of it may still be on the way.
        assert.lengthOf(yield* Effect.retry(wanted, { times: 10 }), 1)
      }).pipe(Effect.provide(over(plane, () => ({
        hydrate: () =>
          Effect.sync(() => [
            {
              kind: "tag",
              id: EntityId.make(crypto.randomUUID()),
              title: "",
              snippet: "x".repeat(size),
              score: 1,
              version: 1
            }
          ])
      }))))
    })

    it.live("begins a new trace where the caller's is damaged, and counts it as the wire's", () =>
      Effect.gen(function*() {
        const { recall } = yield* RequestPlane
        const counted = Effect.map(
          Metric.value(invalidContexts.labelled({ carrier: wire as Exclude<Wire, "inproc"> }).metric),
          ({ count }) => count
        )
        const before = yield* counted
        yield* recall({ query: query("dog"), limit: 1, cursor: null }).pipe(
          Effect.provideService(TraceCarrier, {
            inject: () => ({ traceparent: "00-nonsense-01", tracestate: null }),
            extract: () => undefined
          }),
          Effect.withSpan("caller")
        )
        assert.strictEqual((yield* counted) - before, 1)
        const [[caller], [stage]] = [yield* RecordedSpans.named("caller"), yield* RecordedSpans.named("handle_payload")]
        assert.notStrictEqual(stage!.traceId, caller!.traceId)
      }).pipe(Effect.provide(over(plane))))

    it.live("says that nobody answers", () =>
      Effect.gen(function*() {
        const error = yield* failureOf(Effect.timeout(Front.find(query("dog"), 1, undefined), Duration.seconds(30)))
        assert.deepInclude(error, { _tag: "StageFailed" })
        assert.match(error.message, /unreachable|too slow/)
      }).pipe(Effect.provide(nobodyThere)))
  })
