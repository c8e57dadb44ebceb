/** Callers decide neither what is kept nor who may ask for more; what they ask for wrongly is counted, and no error. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Metric, Redacted, Schema } from "effect"
import { TestClock } from "effect/testing"
import { keyedHash } from "../../layers/telemetry/KeyedHash.ts"
import { parseTraceparent, parseTracestate } from "../../src/domain/TraceContext.ts"
import * as DebugToken from "../../src/telemetry/DebugToken.ts"
import { isDebug, marked } from "../../src/telemetry/DebugTrace.ts"
import { type CarrierName, read } from "../../src/telemetry/InboundContext.ts"
import { debugRequests, invalidContexts } from "../../src/telemetry/Metrics.ts"
import { full, take } from "../../src/telemetry/TokenBucket.ts"
import { type Caller, type Options, TraceBorder } from "../../src/telemetry/TraceBorder.ts"
import { decideBy } from "../../src/telemetry/TraceTrust.ts"

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
const [sampled, unsampled] = [`00-${traceId}-00f067aa0ba902b7-01`, `00-${traceId}-00f067aa0ba902b7-00`]
const hash = keyedHash(Redacted.make("a secret of this test"))
const other = keyedHash(Redacted.make("another one"))

const nobody: Caller = { traceparent: undefined, tracestate: undefined, debug: undefined, isLocal: false }

const border = (options: Partial<Options> = {}) =>
  TraceBorder.layer({ trust: "accept", ratio: 1, hash, tokens: hash, ...options })

const arrive = (caller: Partial<Caller>, options: Partial<Options> = {}) =>
  TraceBorder.use(({ arrive }) => arrive({ ...nobody, ...caller })).pipe(Effect.provide(border(options)))

/** Sums of a process: what was added meanwhile is what counts. */
const counted = ({ metric }: { readonly metric: Metric.Counter<number> }, labels: Readonly<Record<string, string>>) =>
  Effect.map(Metric.value(Metric.withAttributes(metric, labels)), ({ count }) => count)

const ids = Array.from({ length: 20_000 }, (_, at) => hash(`id ${at}`).slice(0, 32))
const keptOf = (ratio: number, key = hash) => ids.filter((id) => decideBy(ratio, key)(id).sampled)

describe("our own decision", () => {
  it("keeps its share, the same traces under the same key, more of them under a larger ratio", () => {
    assert.isEmpty(keptOf(0))
    assert.strictEqual(keptOf(1).length, ids.length)
    const tenth = keptOf(0.1)
    assert.closeTo(tenth.length / ids.length, 0.1, 0.0064)
    assert.deepStrictEqual(keptOf(0.1), tenth)
    const half = new Set(keptOf(0.5))
    assert.isTrue(tenth.every((id) => half.has(id)))
  })

  it("cannot be known from the trace id without the key", () => {
    const ours = new Set(keptOf(0.5))
    const theirs = keptOf(0.5, other).filter((id) => ours.has(id))
    assert.closeTo(theirs.length / ids.length, 0.25, 0.01)
    const chosen = Array.from({ length: 4_000 }, (_, at) => at.toString(16).padStart(18, "0") + "f".repeat(14))
    const kept = chosen.filter((id) => decideBy(0.1, hash)(id).sampled)
    assert.closeTo(kept.length / chosen.length, 0.1, 0.015)
  })

  it("says by which random value it was made, where there is a choice", () => {
    const { sampled: kept, tell } = decideBy(0.5, hash)(traceId)
    assert.match(tell("a=1") ?? "", kept ? /^ot=th:8;rv:[0-9a-f]{14},a=1$/ : /^ot=rv:[0-9a-f]{14},a=1$/)
    assert.strictEqual(decideBy(1, hash)(traceId).tell("a=1"), "a=1")
  })
})

describe("a caller's context", () => {
  it.effect("gives its ids and its tracestate, and not its decision", () =>
    Effect.gen(function*() {
      for (const traceparent of [sampled, unsampled]) {
        const given = { traceparent, tracestate: "a=1,ot=th:0,b=2,wordloom=d:1" }
        assert.deepStrictEqual((yield* arrive(given)).parent, { traceparent: sampled, tracestate: "a=1,b=2" })
        const none = yield* arrive(given, { ratio: 0 })
        assert.deepStrictEqual(none.parent, { traceparent: unsampled, tracestate: "a=1,b=2" })
        assert.isFalse(none.isDebug)
        const some = yield* arrive(given, { ratio: 0.5 })
        const { sampled: kept, tell } = decideBy(0.5, hash)(traceId)
        assert.deepStrictEqual(some.parent, {
          traceparent: kept ? sampled : unsampled,
          tracestate: tell("a=1,b=2")
        })
      }
    }))

  it.effect("keeps its random flag", () =>
    Effect.gen(function*() {
      const { parent } = yield* arrive({ traceparent: unsampled.replace(/00$/, "02") })
      assert.strictEqual(parent?.traceparent, sampled.replace(/01$/, "03"))
    }))

  it.effect("is taken as it is where callers are trusted", () =>
    Effect.gen(function*() {
      for (const traceparent of [sampled, unsampled]) {
        const tracestate = "a=1,ot=th:0"
        const { isDebug, link, parent } = yield* arrive({ traceparent, tracestate }, { trust: "trust", ratio: 0 })
        assert.deepStrictEqual(parent, { traceparent, tracestate })
        assert.isNull(link)
        assert.isFalse(isDebug)
      }
      const debug = yield* arrive({ traceparent: unsampled, tracestate: "wordloom=d:1" }, { trust: "trust" })
      assert.deepStrictEqual(debug.parent, { traceparent: sampled, tracestate: "wordloom=d:1" })
      assert.isTrue(debug.isDebug)
    }))

  it.effect("is only linked to where traces begin anew", () =>
    Effect.gen(function*() {
      const arrival = yield* arrive({ traceparent: sampled, tracestate: "a=1" }, { trust: "restart" })
      assert.deepInclude(arrival, { parent: null, link: { traceparent: sampled, tracestate: "a=1" } })
      assert.deepInclude(yield* arrive({}, { trust: "restart" }), { parent: null, link: null })
    }))

  const carriers: ReadonlyArray<readonly [string | undefined, string | undefined, boolean]> = [
    [undefined, undefined, false],
    [undefined, "a=1", false],
    [undefined, "A=1", false],
    [sampled, undefined, false],
    [sampled, "", false],
    [sampled, " , ", false],
    [sampled, "A=1", true],
    ["", undefined, true],
    ["nonsense", undefined, true],
    [`${sampled}, ${sampled}`, "a=1", true]
  ]
  it("is invalid where something was there that is not to be used", () => {
    for (const [traceparent, tracestate, isInvalid] of carriers) {
      assert.strictEqual(read({ traceparent, tracestate }).isInvalid, isInvalid, `${traceparent} ${tracestate}`)
    }
  })

  it.effect("is counted when it is invalid", () =>
    Effect.gen(function*() {
      const http: CarrierName = "http"
      const before = yield* counted(invalidContexts, { carrier: http })
      assert.isNull((yield* arrive({ traceparent: "nonsense", tracestate: "a=1" })).parent)
      assert.strictEqual((yield* arrive({ traceparent: sampled, tracestate: "A" })).parent?.tracestate, null)
      yield* arrive({ traceparent: sampled, tracestate: "a=1" })
      assert.strictEqual((yield* counted(invalidContexts, { carrier: http })) - before, 2)
    }))

  it.effect.prop("is valid whatever came in", {
    traceparent: Schema.UndefinedOr(Schema.Union([Schema.String, Schema.Literals([sampled, unsampled])])),
    tracestate: Schema.UndefinedOr(Schema.String),
    debug: Schema.UndefinedOr(Schema.String),
    isLocal: Schema.Boolean
  }, (caller) =>
    Effect.gen(function*() {
      for (const trust of ["accept", "trust", "restart"] as const) {
        for (const { parent, link } of [yield* arrive(caller, { trust, ratio: 0.5 })]) {
          for (const context of [parent, link]) {
            if (context === null) continue
            assert.isDefined(parseTraceparent(context.traceparent))
            assert.strictEqual(parseTracestate(context.tracestate), context.tracestate)
          }
        }
      }
    }), { arbitrary: { runs: 300 } })
})

/** 2026-01-01. */
const startMs = 1_767_225_600_000
const now = startMs / 1_000

describe("a debug token", () => {
  it("is valid until its end, and for no longer than an hour", () => {
    const token = DebugToken.make(hash, now + 600)
    assert.strictEqual(DebugToken.check(hash, token, now), "valid")
    assert.strictEqual(DebugToken.check(hash, token, now + 600), "valid")
    assert.strictEqual(DebugToken.check(hash, token, now + 601), "expired")
    assert.strictEqual(DebugToken.check(other, token, now), "invalid")
    assert.strictEqual(DebugToken.check(hash, DebugToken.make(hash, now + 86_400), now), "invalid")
  })

  it.prop(
    "is invalid once a single character of it is another",
    { at: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 74 }))), char: Schema.String },
    ({ at, char }) => {
      const token = DebugToken.make(hash, now + 600)
      const forged = token.slice(0, at) + char + token.slice(at + 1)
      if (forged !== token) assert.notStrictEqual(DebugToken.check(hash, forged, now), "valid")
    },
    { arbitrary: { runs: 500 } }
  )
})

describe("a debug trace", () => {
  const debug = DebugToken.make(hash, now + 600)
  const at = TestClock.setTime(startMs)

  it.effect("is kept and marked, whatever the ratio is", () =>
    Effect.gen(function*() {
      yield* at
      const arrival = yield* arrive({ traceparent: unsampled, tracestate: "a=1", debug }, { ratio: 0 })
      assert.deepStrictEqual(arrival.parent, { traceparent: sampled, tracestate: "wordloom=d:1,a=1" })
      assert.deepInclude(arrival, { isDebug: true, verdict: "honoured" })
      assert.isTrue(isDebug(arrival.parent!.tracestate))
      const root = yield* arrive({ debug }, { ratio: 0 })
      assert.deepInclude(root, { parent: null, isDebug: true })
    }))

  it.effect("is for those who sit here or show a token, and everybody else is served as without it", () =>
    Effect.gen(function*() {
      yield* at
      const verdictOf = (caller: Partial<Caller>, options: Partial<Options> = {}) =>
        Effect.map(arrive({ traceparent: unsampled, ...caller }, { ratio: 0, ...options }), (arrival) => {
          assert.strictEqual(arrival.isDebug, arrival.verdict === "honoured")
          assert.strictEqual(arrival.parent?.traceparent === sampled, arrival.isDebug)
          return arrival.verdict
        })
      assert.strictEqual(yield* verdictOf({ debug: "1", isLocal: true }), "honoured")
      assert.strictEqual(yield* verdictOf({ debug: "1" }), "invalid")
      assert.strictEqual(yield* verdictOf({ debug }, { tokens: undefined }), "invalid")
      assert.strictEqual(yield* verdictOf({ debug }, { tokens: other }), "invalid")
      assert.strictEqual(yield* verdictOf({ debug: DebugToken.make(hash, now - 1) }), "expired")
      for (const no of ["0", "false", "off", " no ", ""]) {
        assert.isUndefined(yield* verdictOf({ debug: no, isLocal: true }))
      }
    }))

  it.effect("has a budget, which fills up again; what is over it is counted", () =>
    Effect.gen(function*() {
      yield* at
      const { arrive } = yield* TraceBorder
      const honoured = (count: number) =>
        Effect.map(
          Effect.forEach(Array.from({ length: count }), () => arrive({ ...nobody, debug: "1", isLocal: true })),
          (arrivals) => arrivals.filter(({ verdict }) => verdict === "honoured").length
        )
      const before = yield* counted(debugRequests, { result: "over_budget" })
      assert.strictEqual(yield* honoured(60), 50)
      assert.strictEqual((yield* counted(debugRequests, { result: "over_budget" })) - before, 10)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* honoured(20), 10)
      let hour = 60
      for (let minute = 0; minute < 60; minute++) {
        yield* TestClock.adjust("1 minute")
        hour += yield* honoured(60)
      }
      assert.isAtMost(hour, 1_000)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* honoured(60), 8)
    }).pipe(Effect.provide(border())))

  it("fills a budget by time alone", () => {
    const rates = [{ atOnce: 2, perSecond: 1 }]
    const [first, one] = take(rates, full(rates, 1_000), 1_000)
    const [second, none] = take(rates, one, 1_000)
    const [third, still] = take(rates, none, 500)
    assert.deepStrictEqual([first, second, third], [true, true, false])
    assert.isFalse(take(rates, still, 900)[0])
    assert.isTrue(take(rates, none, 2_000)[0])
    assert.deepStrictEqual(take(rates, none, 1_000_000)[1].left, [1])
  })

  it("is marked first in a tracestate that is full, and once", () => {
    const many = Array.from({ length: 32 }, (_, n) => `k${n}=v`).join(",")
    assert.isTrue(isDebug(marked(many)))
    assert.strictEqual(marked(marked("a=1")), "wordloom=d:1,a=1")
    assert.isFalse(isDebug("a=d:1,wordloom=x:1"))
    assert.isTrue(isDebug("a=1,wordloom=x:1;d:1"))
    assert.isFalse(isDebug(null))
  })
})
