/** How Effect's spans look to OpenTelemetry: status, error text, parents and tracestate by its conventions. */
import { assert, describe, it } from "@effect/vitest"
import { SpanKind, SpanStatusCode } from "@opentelemetry/api"
import { resourceFromAttributes } from "@opentelemetry/resources"
import { AlwaysOnSampler, type ReadableSpan, type Sampler } from "@opentelemetry/sdk-trace-base"
import { Cause, Clock, Effect, Exit, Fiber, Layer, Result, Tracer } from "effect"
import { SqlError } from "effect/sql"
import * as Keeper from "../../layers/telemetry/Keeper.ts"
import { RecordedSpan } from "../../layers/telemetry/RecordedSpan.ts"
import type { Recorder, Recording } from "../../layers/telemetry/Segment.ts"
import * as TracerProvider from "../../layers/telemetry/TracerProvider.ts"
import { NameTaken } from "../../src/catalog/CatalogErrors.ts"
import { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import { LogicUnavailable, MessageIdReused, MessageInvalid } from "../../src/realtime/RealtimeErrors.ts"
import { read } from "../../src/settings/Settings.ts"
import * as KeepRule from "../../src/telemetry/KeepRule.ts"
import { safe } from "../../src/telemetry/SafeTracer.ts"
import { SpanError } from "../../src/telemetry/SpanFailure.ts"
import { TraceCarrier } from "../../src/telemetry/TraceCarrier.ts"

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`

const settings = (env: Readonly<Record<string, string>> = {}) =>
  Result.getOrThrow(read({ WORDLOOM_TRACING: "local", ...env }))

const recordingOf = (recorder: Recorder, sampler: Sampler = new AlwaysOnSampler()): Recording => ({
  resource: resourceFromAttributes({}),
  scope: { name: "test" },
  sampler,
  recorder
})

const keeper = Keeper.make({
  rule: KeepRule.nothing,
  holdMs: 0,
  holdBytes: 0,
  now: () => 0,
  rebuild: () => {}
})

/** Runs `effect` and answers the spans as an exporter gets them, in the order in which they ended. */
const exported = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const spans: Array<ReadableSpan> = []
    const recording = recordingOf({ keeper, offer: (span) => void spans.push(span) })
    const tracer = Tracer.make({ span: (options) => new RecordedSpan(recording, options) })
    const exit = yield* Effect.exit(effect).pipe(
      Effect.provideService(Tracer.Tracer, tracer),
      Effect.provide(
        TracerProvider.layer(settings(), "test").pipe(
          // Its carrier is the one that knows recorded spans; its tracer has nowhere to send them to.
          Layer.merge(Layer.succeed(Tracer.Tracer, tracer))
        )
      )
    )
    return { exit, spans }
  })

const only = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.map(exported(effect), ({ spans }) => {
    assert.strictEqual(spans.length, 1)
    return spans[0]!
  })

describe("a recorded span", () => {
  it.live("leaves the status of a success unset", () =>
    Effect.gen(function*() {
      const span = yield* only(
        Effect.void.pipe(Effect.withSpan("fine", { attributes: { rows: 3, ok: true, big: 2n ** 65n } }))
      )
      assert.deepStrictEqual(span.status, { code: SpanStatusCode.UNSET })
      assert.deepInclude(span.attributes, { rows: 3, ok: true, big: "36893488147419103232" })
      assert.isEmpty(span.events)
      const [from, to] = [span.startTime, span.endTime].map(([seconds, nanos]) => seconds * 1e9 + nanos)
      assert.isAtMost(from!, to!)
    }))

  it.live("tells a failure's type and a line of at most 256 characters: no stack, and nothing that somebody sent", () =>
    Effect.gen(function*() {
      const sql = new SqlError.SqlError({
        reason: new SqlError.UniqueViolation({ cause: "sent", constraint: "names" })
      })
      const line = "it did not answer"
      const failures: ReadonlyArray<readonly [effect: Effect.Effect<never, unknown>, type: string, text?: string]> = [
        [Effect.fail(new StoreUnavailable({ cause: "sent" })), "StoreUnavailable", "the database did not answer"],
        [Effect.fail(new LogicUnavailable({ detail: line })), "LogicUnavailable", line],
        [Effect.fail(new LogicUnavailable({ detail: `${line}\n  at x (file:///a.ts:1:2)` })), "LogicUnavailable", line],
        [Effect.fail(new LogicUnavailable({ detail: "" })), "LogicUnavailable"],
        [Effect.fail(new SpanError("x".repeat(10_000))), "SpanError", `${"x".repeat(255)}…`],
        [Effect.fail(new NameTaken({ kind: "tag", name: "sent" })), "NameTaken"],
        [Effect.fail(new MessageIdReused({ client_id: "sent" })), "MessageIdReused"],
        [Effect.fail(new MessageInvalid({ detail: "sent" })), "MessageInvalid"],
        [Effect.fail(sql), "UniqueViolation"],
        [Effect.fail(new Error("sent")), "Error"],
        [Effect.die(new TypeError("sent")), "TypeError"],
        [Effect.die(Object.assign(new Error("sent"), { name: "sent, too" })), "_OTHER"],
        [Effect.fail("sent"), "_OTHER"],
        [Effect.fail({ odd: "sent" }), "_OTHER"]
      ]
      for (const [effect, type, text = type] of failures) {
        const span = yield* only(Effect.withSpan(effect, "broken"))
        assert.deepStrictEqual(span.status, { code: SpanStatusCode.ERROR, message: text })
        assert.deepStrictEqual(span.attributes, { "error.type": type })
        assert.isEmpty(span.events)
        const { attributes, events, status } = span
        const everything = JSON.stringify({ attributes, events, status })
        assert.notMatch(everything, /sent|\bat .*:\d+:\d+|exception\.stacktrace|node_modules|RecordedSpan\.test/)
      }
    }))

  it.live("leaves the type of a failure to whoever knows it better", () =>
    Effect.gen(function*() {
      const failing = Effect.andThen(Effect.annotateCurrentSpan("error.type", "es_429"), Effect.fail(new Error("busy")))
      const span = yield* only(Effect.withSpan(failing, "broken"))
      assert.deepStrictEqual(span.attributes, { "error.type": "es_429" })
    }))

  it.live("marks an interruption, which is no error", () =>
    Effect.gen(function*() {
      const { spans } = yield* exported(Effect.gen(function*() {
        const fiber = yield* Effect.never.pipe(Effect.withSpan("waiting"), Effect.forkChild({ startImmediately: true }))
        yield* Fiber.interrupt(fiber)
      }))
      assert.strictEqual(spans.length, 1)
      assert.strictEqual(spans[0]!.status.code, SpanStatusCode.UNSET)
      assert.deepStrictEqual(spans[0]!.attributes, { interrupted: true })
    }))

  it.live("keeps the caller's trace, its tracestate and its flag down to the innermost span", () =>
    Effect.gen(function*() {
      for (const flags of ["01", "00"]) {
        const said = { traceparent: `${traceparent.slice(0, -2)}${flags}`, tracestate: "a=1,b@c=2" }
        const told = yield* Effect.gen(function*() {
          const carrier = yield* TraceCarrier
          const parent = carrier.extract(said)!
          const inner = Effect.flatMap(
            Effect.currentSpan,
            (span) => Effect.succeed([span, carrier.inject(span)] as const)
          )
          return yield* inner.pipe(Effect.withSpan("inner"), Effect.withSpan("outer", { parent }))
        }).pipe(Effect.provide(TracerProvider.layer(settings(), "test")))
        const [span, context] = told
        assert.strictEqual(span.traceId, traceId)
        assert.deepStrictEqual(context, {
          traceparent: `00-${traceId}-${span.spanId}-${flags}`,
          tracestate: "a=1,b@c=2"
        })
      }
    }))

  it.live("names its parent, its kind and its links", () =>
    Effect.gen(function*() {
      const { spans } = yield* exported(Effect.gen(function*() {
        const carrier = yield* TraceCarrier
        const parent = carrier.extract({ traceparent, tracestate: "a=1" })!
        const link = { span: parent, attributes: { why: "batch" } }
        yield* Effect.void.pipe(
          Effect.withSpan("inner", { kind: "client", links: [link] }),
          Effect.withSpan("outer", { kind: "server", parent })
        )
        yield* Effect.void.pipe(
          Effect.withSpan("new", { root: true, kind: "producer" }),
          Effect.withSpan("around", { kind: "consumer" })
        )
      }))
      const [inner, outer, fresh, around] = spans
      assert.deepStrictEqual(spans.map(({ kind }) => kind), [
        SpanKind.CLIENT,
        SpanKind.SERVER,
        SpanKind.PRODUCER,
        SpanKind.CONSUMER
      ])
      assert.strictEqual(outer!.parentSpanContext?.spanId, "00f067aa0ba902b7")
      assert.strictEqual(outer!.parentSpanContext?.isRemote, true)
      assert.strictEqual(inner!.parentSpanContext?.spanId, outer!.spanContext().spanId)
      assert.strictEqual(inner!.links[0]!.context.spanId, "00f067aa0ba902b7")
      assert.deepStrictEqual(inner!.links[0]!.attributes, { why: "batch" })
      for (const span of [inner!, outer!]) {
        assert.strictEqual(span.spanContext().traceId, traceId)
        assert.strictEqual(span.spanContext().traceState?.serialize(), "a=1")
      }
      assert.isUndefined(fresh!.parentSpanContext)
      assert.notStrictEqual(fresh!.spanContext().traceId, around!.spanContext().traceId)
    }))

  it.live("ends once, and takes links and attributes until then", () =>
    Effect.gen(function*() {
      const span = yield* only(Effect.gen(function*() {
        const made = yield* Effect.makeSpan("by hand")
        made.attribute("rows", 1)
        made.addLinks([{ span: made, attributes: {} }])
        made.event("happened", yield* Clock.currentTimeNanos, { n: 1 })
        const now = yield* Clock.currentTimeNanos
        made.end(now, Exit.void)
        made.end(now + 1_000_000_000n, Exit.failCause(Cause.die("late")))
        made.attribute("late", true)
      }))
      assert.strictEqual(span.status.code, SpanStatusCode.UNSET)
      assert.deepStrictEqual(span.attributes, { rows: 1 })
      assert.strictEqual(span.links.length, 1)
      assert.strictEqual(span.events[0]!.name, "happened")
    }))

  it.live("goes on with the work when something throws, at the start of a span or at its end", () =>
    Effect.gen(function*() {
      const angry = () => {
        throw new Error("angry")
      }
      let failures = 0
      const recordings = [
        recordingOf({ keeper, offer: () => {} }, { shouldSample: angry }),
        recordingOf({ keeper, offer: angry })
      ]
      for (const recording of recordings) {
        const tracer = safe(
          Tracer.make({ span: (options) => new RecordedSpan(recording, options) }),
          () => void failures++
        )
        const answer = yield* Effect.succeed(1).pipe(
          Effect.withSpan("angry"),
          Effect.provideService(Tracer.Tracer, tracer)
        )
        assert.strictEqual(answer, 1)
      }
      // The end of a span guards itself.
      assert.strictEqual(failures, 1)
    }))

  it.live("has at most 128 attributes, and an odd value of one hurts nobody", () =>
    Effect.gen(function*() {
      const odd = {
        toString: () => {
          throw new Error("odd")
        }
      }
      const values = Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`key${n}`, n]))
      const span = yield* only(Effect.withSpan(Effect.annotateCurrentSpan({ ...values, key0: 7 }), "many", {
        attributes: { odd }
      }))
      assert.isAtMost(Object.keys(span.attributes).length, 128)
      assert.strictEqual(span.attributes["key0"], 7)
    }))

  it("of a sampled trace can be pointed at also after its end, as a worker does with its rows'", () => {
    assert.isTrue(keeper.isExported(traceId, true))
    assert.isFalse(keeper.isExported(traceId, false))
  })
})

describe("the tracer of a service", () => {
  const contextOf = (env: Readonly<Record<string, string>>, parent?: string) =>
    Effect.gen(function*() {
      const carrier = yield* TraceCarrier
      const remote = carrier.extract(parent === undefined ? null : { traceparent: parent, tracestate: null })
      return yield* Effect.flatMap(Effect.currentSpan, (span) => Effect.sync(() => carrier.inject(span)!.traceparent))
        .pipe(
          Effect.withSpan("asked", remote === undefined ? { root: true } : { parent: remote })
        )
    }).pipe(Effect.provide(TracerProvider.layer(settings(env), "test")))

  it.live("samples as the settings say", () =>
    Effect.gen(function*() {
      const unsampled = traceparent.replace(/01$/, "00")
      const cases: ReadonlyArray<
        readonly [sampler: string, ratio: string, root: string, under01: string, under00: string]
      > = [
        ["always_on", "1", "01", "01", "01"],
        ["always_off", "1", "00", "00", "00"],
        ["parentbased_always_on", "1", "01", "01", "00"],
        ["parentbased_always_off", "1", "00", "01", "00"],
        ["traceidratio", "0", "00", "01", "00"],
        ["parentbased_traceidratio", "1.0", "01", "01", "00"]
      ]
      for (const [OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG, ...flags] of cases) {
        const env = { OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG }
        const found = yield* Effect.all([contextOf(env), contextOf(env, traceparent), contextOf(env, unsampled)])
        assert.deepStrictEqual(found.map((context) => context.slice(-2)), [...flags], OTEL_TRACES_SAMPLER)
      }
    }))

  it.live("takes resource attributes as they are when they are no percent-encoding", () =>
    Effect.gen(function*() {
      const context = yield* contextOf({ OTEL_RESOURCE_ATTRIBUTES: "team=a%20b,share=100%,empty=" })
      assert.match(context, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    }))
})
