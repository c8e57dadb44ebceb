/** Traces that are kept although they were not sampled: whole, from every process, and no others. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Exit, Layer, Option, Tracer } from "effect"
import * as TraceSignalsMemory from "../../layers/memory/TraceSignalsMemory.ts"
import type { TraceContext } from "../../src/domain/TraceContext.ts"
import { Projection } from "../../src/outbox/Projection.ts"
import type { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import { exchangeOnce } from "../../src/telemetry/KeepExchange.ts"
import { KeptTraces } from "../../src/telemetry/KeptTraces.ts"
import { SpanError } from "../../src/telemetry/SpanFailure.ts"
import { TraceCarrier } from "../../src/telemetry/TraceCarrier.ts"
import { KeepExchanged, TraceKeeping } from "../../src/telemetry/TraceKeeping.ts"
import type { TraceSignals } from "../../src/telemetry/TraceSignals.ts"
import { otlpReceiver, type ReceivedSpan } from "../support/OtlpReceiver.ts"
import { make, processOf, request } from "./KeptParts.ts"

const second = 1_000_000_000n

const whole = ["POST /api/v1/tags", "db.create", "db.tx", "outbox.enqueue"]

const namesOf = (spans: ReadonlyArray<ReceivedSpan>) => spans.map(({ name }) => name).toSorted()

/** Runs `work` with the address of a collector, and answers what that got once everything is closed. */
const received = <A, E>(work: (url: string) => Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const collector = yield* Effect.promise(() => otlpReceiver())
    yield* work(collector.url)
    yield* Effect.promise(collector.stop)
    return collector.spans
  })

const noOrphans = (spans: ReadonlyArray<ReceivedSpan>) => {
  const ids = new Set(spans.map(({ spanId }) => spanId))
  assert.deepStrictEqual(spans.filter(({ parentSpanId }) => parentSpanId !== "" && !ids.has(parentSpanId)), [])
  assert.strictEqual(ids.size, spans.length, "no span comes twice")
}

const only = (env: Readonly<Record<string, string>>, work: Effect.Effect<unknown>) =>
  received((url) => Effect.provide(work, processOf(url, "wordloom-api", env)))

describe("a trace that was not sampled", () => {
  it.live("is exported whole when it failed, marked as standing for itself alone", () =>
    Effect.gen(function*() {
      const spans = yield* only({}, request({ fails: true }, 500))
      assert.deepStrictEqual(namesOf(spans), whole)
      noOrphans(spans)
      for (const { traceState } of spans) assert.strictEqual(traceState, "ot=th:0")
      const server = spans.find(({ kind }) => kind === "SERVER")!
      assert.deepInclude(server, { statusCode: 2, statusMessage: "no luck", service: "wordloom-api" })
      assert.strictEqual(server.attributes["http.response.status_code"], 500)
    }))

  it.live("is exported whole when something in it failed, it was slow or somebody asked for it", () =>
    Effect.gen(function*() {
      const inner = [{ name: "db.tx", inner: [{ name: "db.create", fails: true }] }, { name: "outbox.enqueue" }]
      assert.deepStrictEqual(namesOf(yield* only({}, request({ inner }))), whole)
      assert.deepStrictEqual(namesOf(yield* only({}, request({ lasts: second + 1n }))), whole)
      const asked = request({ attributes: { "wordloom.debug": true } })
      assert.deepStrictEqual(namesOf(yield* only({}, asked)), whole)
    }))

  it.live("is not, when all went well, when it took just a second, or when the caller was refused", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* only({}, request()), [])
      assert.deepStrictEqual(yield* only({}, request({ lasts: second })), [])
      assert.deepStrictEqual(yield* only({}, request({ inner: [{ name: "db.tx", fails: true }] }, 404)), [])
    }))

  it.live("is only for the reasons that the settings name", () =>
    Effect.gen(function*() {
      const failed = request({ fails: true }, 500)
      assert.deepStrictEqual(yield* only({ WORDLOOM_TRACE_KEEP: "slow,debug" }, failed), [])
      assert.deepStrictEqual(yield* only({ WORDLOOM_TRACE_KEEP: "" }, failed), [])
      assert.deepStrictEqual(yield* only({ OTEL_TRACES_SAMPLER: "always_off" }, failed), [])
      const soon = { WORDLOOM_TRACE_SLOW: "10ms" }
      assert.deepStrictEqual(namesOf(yield* only(soon, request({ lasts: second / 50n }))), whole)
    }))

  it.live("has no wait that makes it slow, unless a wait has a threshold of its own", () =>
    Effect.gen(function*() {
      const wait = make({ name: "outbox.wait", lasts: 100n * second }, Option.none())
      assert.deepStrictEqual(yield* only({}, wait), [])
      assert.strictEqual((yield* only({ WORDLOOM_TRACE_SLOW_WAIT: "1m" }, wait)).length, 1)
    }))

  it.live("keeps events, links and attributes while it waits", () =>
    Effect.gen(function*() {
      const spans = yield* only(
        {},
        Effect.gen(function*() {
          const linked = Tracer.externalSpan({ traceId: "1".repeat(32), spanId: "2".repeat(16) })
          const work = Effect.gen(function*() {
            const span = yield* Effect.currentSpan
            span.event("happened", yield* Clock.currentTimeNanos, { n: 1 })
            yield* Effect.annotateCurrentSpan({ rows: 3, text: "größer ✓", ok: true })
            return yield* Effect.fail(new SpanError("first line\n  at second"))
          })
          yield* Effect.exit(Effect.withSpan(work, "failed", { root: true, links: [{ span: linked, attributes: {} }] }))
        })
      )
      assert.deepInclude(spans[0]!.attributes, { rows: 3, text: "größer ✓", ok: true })
      assert.strictEqual(spans[0]!.statusMessage, "first line")
      assert.deepStrictEqual(spans[0]!.links, [{ traceId: "1".repeat(32), spanId: "2".repeat(16) }])
    }))

  it.live("is exported whole however many spans it has", () =>
    Effect.gen(function*() {
      const inner = Array.from({ length: 1_000 }, (_, n) => ({ name: `step ${n}` }))
      const spans = yield* only({ OTEL_BSP_MAX_QUEUE_SIZE: "10000" }, request({ inner, lasts: 2n * second }))
      assert.strictEqual(spans.length, 1_001)
      noOrphans(spans)
    }))
})

/** The part of a worker: a child of what the row names, in another process. */
const attempt = (row: TraceContext, fails: boolean, projection: Projection = "search") =>
  Effect.gen(function*() {
    const carrier = yield* TraceCarrier
    const keeping = yield* TraceKeeping
    const parent = carrier.extract(row)!
    if (fails) {
      keeping.keep(parent.traceId, { trace: row, projection, createdAt: yield* Clock.currentTimeNanos })
    }
    yield* make({ name: "outbox.process", kind: "consumer", fails }, Option.some(parent))
  })

const graceless = { every: Duration.zero, grace: Duration.zero }

/** One exchange of this process; one without a grace rebuilds at once what nobody has found. */
const exchange = (grace: Duration.Duration = Duration.hours(1)) =>
  Effect.gen(function*() {
    yield* exchangeOnce((yield* KeepExchanged)!, { ...graceless, grace }, Duration.hours(1))
  })

const processes = (
  work: (api: Layer.Layer<never>, worker: Layer.Layer<never>) => Effect.Effect<void, StoreUnavailable, TraceSignals>
) =>
  received((url) =>
    Effect.gen(function*() {
      const layers = [processOf(url, "wordloom-api"), processOf(url, "wordloom-search-outbox-worker")] as const
      const [api, worker] = yield* Effect.all(layers.map((one) => Layer.build(one)))
      yield* work(Layer.succeedContext(api!), Layer.succeedContext(worker!))
    }).pipe(Effect.scoped, Effect.provide(TraceSignalsMemory.layer))
  )

describe("a trace that another process keeps", () => {
  it.live("is completed by whoever has the other part of it, once", () =>
    Effect.gen(function*() {
      const spans = yield* processes((api, worker) =>
        Effect.gen(function*() {
          const rows = yield* Effect.provide(Effect.all(Array.from({ length: 20 }, () => request())), api)
          const failing = rows[7]!.get("outbox.enqueue")!
          yield* Effect.provide(attempt(failing, true), worker)
          yield* Effect.provide(attempt(rows[8]!.get("outbox.enqueue")!, false), worker)
          yield* Effect.provide(exchange(), worker)
          yield* Effect.provide(exchange(), api)
          yield* Effect.provide(exchange(Duration.zero), worker)
          yield* Effect.provide(exchange(Duration.zero), api)
        })
      )
      assert.deepStrictEqual(namesOf(spans), [...whole, "outbox.process"].toSorted())
      noOrphans(spans)
    }))

  it.live("is completed when its request ends only after that", () =>
    Effect.gen(function*() {
      const spans = yield* processes((api, worker) =>
        Effect.gen(function*() {
          const tracer = yield* Effect.provide(Tracer.Tracer, api)
          const server = tracer.span({
            name: "POST /api/v1/tags",
            kind: "server",
            parent: Option.none(),
            startTime: yield* Clock.currentTimeNanos,
            annotations: Context.empty(),
            links: [],
            root: true,
            sampled: true
          })
          const rows = yield* Effect.provide(
            make({ name: "outbox.enqueue", kind: "producer" }, Option.some(server)),
            api
          )
          yield* Effect.provide(attempt(rows.get("outbox.enqueue")!, true), worker)
          yield* Effect.provide(exchange(), worker)
          yield* Effect.provide(exchange(), api)
          server.end(yield* Clock.currentTimeNanos, Exit.void)
          yield* Effect.provide(exchange(), api)
          yield* Effect.provide(exchange(Duration.zero), worker)
        })
      )
      assert.deepStrictEqual(namesOf(spans), ["POST /api/v1/tags", "outbox.enqueue", "outbox.process"])
      noOrphans(spans)
    }))

  it.live("gets the span that its row names from the row, when nobody has it any more; nothing hangs in the air", () =>
    Effect.gen(function*() {
      const row = {
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
        tracestate: "vendor=1"
      }
      const spans = yield* processes((_, worker) =>
        Effect.provide(
          Effect.gen(function*() {
            yield* attempt(row, true)
            yield* attempt(row, true)
            yield* exchange()
            yield* exchange(Duration.zero)
            yield* attempt(row, true)
            yield* exchange(Duration.zero)
          }),
          worker
        )
      )
      noOrphans(spans)
      const [rebuilt, ...others] = spans.filter(({ name }) => name === "outbox.enqueue")
      assert.isEmpty(others)
      assert.deepInclude(rebuilt, {
        service: "wordloom-api",
        kind: "PRODUCER",
        spanId: "00f067aa0ba902b7",
        parentSpanId: "",
        traceState: "ot=th:0,vendor=1"
      })
      assert.strictEqual(rebuilt!.start, rebuilt!.end)
      assert.strictEqual(rebuilt!.attributes["wordloom.reconstructed"], true)
      assert.strictEqual(spans.filter(({ name }) => name === "outbox.process").length, 3)
    }))

  it.live("gets it as a span of the service that left the row", () =>
    Effect.gen(function*() {
      const leavers = { search: "wordloom-api", chronicle: "wordloom-api", realtime: "wordloom-logic" }
      const spans = yield* processes((_, worker) =>
        Effect.provide(
          Effect.gen(function*() {
            for (const [n, projection] of Projection.literals.entries()) {
              const traceparent = `00-${"a".repeat(31)}${n}-${"b".repeat(15)}${n}-00`
              yield* attempt({ traceparent, tracestate: null }, true, projection)
            }
            yield* exchange()
            yield* exchange(Duration.zero)
          }),
          worker
        )
      )
      const rebuilt = spans.filter(({ name }) => name === "outbox.enqueue")
      assert.deepStrictEqual(
        Object.fromEntries(rebuilt.map(({ attributes, service }) => [attributes["projection"], service])),
        leavers
      )
    }))
})

describe("whoever points at a trace", () => {
  it.live("hears whether it can be looked at, and cannot disturb what it hears of", () =>
    Effect.gen(function*() {
      const heard: Array<readonly [string, boolean]> = []
      const spans = yield* only(
        {},
        Effect.gen(function*() {
          const kept = yield* KeptTraces
          kept.subscribe((traceId, isKept) => void heard.push([traceId, isKept]))
          kept.subscribe(() => {
            throw new Error("a listener is angry")
          })
          const idOf = (made: Map<string, TraceContext>) => made.get("outbox.enqueue")!.traceparent.slice(3, 35)
          const fine = idOf(yield* request())
          const failed = idOf(yield* request({ fails: true }, 500))
          assert.deepStrictEqual(heard, [[fine, false], [failed, true]])
          assert.isTrue(kept.isExported(failed, false))
          assert.isFalse(kept.isExported(fine, false))
        })
      )
      assert.deepStrictEqual(namesOf(spans), whole)
    }))
})
