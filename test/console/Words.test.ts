/** What the console makes of numbers, times and what somebody types: pure functions, without a browser. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Format from "../../layers/http/console/format.js"
import { pointsOf } from "../../layers/http/console/points.js"
import { verdictOf } from "../../layers/http/console/verdict.js"
import { layOut, missing } from "../../layers/http/console/waterfall.js"
import { escaped } from "../../src/domain/Text.ts"
import { Stage } from "../../src/explain/Explanation.ts"

const between = (minimum: number, maximum: number) => Schema.Finite.check(Schema.isBetween({ minimum, maximum }))

describe("durations", () => {
  it.for(
    [
      [0, "0 s"],
      [0.000_000_2, "1 µs"],
      [0.000_84, "840 µs"],
      [0.001_23, "1.2 ms"],
      [0.042, "42 ms"],
      [0.999_6, "1 s"],
      [3.24, "3.2 s"],
      [59.4, "59 s"],
      [59.6, "1 min"],
      [250, "4 min 10 s"],
      [7_500, "2 h 5 min"],
      [273_600, "3 d 4 h"],
      [-3.2, "−3.2 s"]
    ] as const
  )("of %d s read as %s", ([seconds, text]) => assert.strictEqual(Format.duration(seconds), text))
})

describe("counts", () => {
  it("that reach the bound of their counting say so", () => {
    assert.strictEqual(Format.count(9_999, 10_000), "9,999")
    assert.strictEqual(Format.count(10_000, 10_000), "10,000+")
    assert.strictEqual(Format.count(10_001, 10_000), "10,000+")
    assert.strictEqual(Format.count(1_234_567), "1,234,567")
  })

  it("have the right form of what is counted", () => {
    assert.strictEqual(Format.plural(1, "row"), "1 row")
    assert.strictEqual(Format.plural(0, "row"), "0 rows")
  })
})

describe("snippets", () => {
  it.prop("read as what was escaped", [Schema.String], ([text]) => {
    assert.strictEqual(Format.unescaped(escaped(text)), text)
  })

  it("read the same whichever engine escaped them", () => {
    assert.strictEqual(Format.unescaped("&lt;b&gt; &amp;amp; &quot;&#x27;&#x2F;&#39;"), "<b> &amp; \"'/'")
    assert.strictEqual(Format.unescaped("&nbsp; &#9999999; &bogus; &"), "&nbsp; &#9999999; &bogus; &")
  })
})

describe("numbers and moments", () => {
  const moments = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" })
  const numbers = new Intl.NumberFormat("en")
  const plain = (moment: string) => moment.replace(/^0/, "").replace("Sept", "Sep")

  it.prop("are written as everywhere else in English", [between(0, 4e12)], ([at]) => {
    const whole = Math.abs(Math.round(at))
    assert.strictEqual(Format.count(whole), numbers.format(whole))
    assert.strictEqual(plain(Format.moment(new Date(at).toISOString())), plain(moments.format(at)))
  })
})

describe("what somebody types", () => {
  const id = "01a2239a-fc2e-75df-9132-2b8878caed09"
  const trace = "cd9ed9315b8112c1b2874049d87a3862"
  it.for(
    [
      [`block/${id}`, { block: id }],
      [` Tag: ${id.toUpperCase()} `, { tag: id }],
      [`library/${id}`, { library: id }],
      ["search/4711", { event: "search/4711" }],
      [trace, { trace_id: trace }],
      [`00-${trace}-a382bd70f6bae94f-01`, { trace_id: trace }],
      [id, { id }],
      ["request/curl-1", { request_id: "curl-1" }],
      ["otter", undefined],
      ["block/otter", undefined],
      ["search/otter", undefined],
      ["", undefined]
    ] as const
  )("%s is known for what it is", ([typed, query]) => {
    assert.deepStrictEqual(Format.explainable(typed), query)
  })
})

describe("the waterfall", () => {
  const Timeline = Schema.Array(Schema.Struct({
    stage: Stage,
    offset_ms: between(0, 1e9),
    ms: between(0, 1e9),
    attempt: Schema.NullOr(Schema.Int),
    open: Schema.Boolean
  }))
  const segment = { from: "", to: "", text: "" }

  it.prop("keeps every bar within its track, in order and to scale", [Timeline], ([timeline]) => {
    const { bars, totalMs } = layOut(timeline.map((said) => ({ ...segment, ...said })))
    assert.lengthOf(bars, timeline.length)
    for (const [at, { left, segment: { ms, offset_ms }, width }] of bars.entries()) {
      assert.isAtLeast(left, 0)
      assert.isAtLeast(width, 0)
      assert.isAtMost(left + width, 100.000_1)
      assert.strictEqual(offset_ms, timeline[at]!.offset_ms)
      if (totalMs > 0) assert.closeTo(width, ms / totalMs * 100, 0.001)
    }
  })

  it("says what nobody recorded, which is not the same as what did not happen", () => {
    const spent = { api: null, commit: 1, queue: 0, attempts: null, engine: null, total: 3 }
    assert.deepStrictEqual(missing(spent, true), ["API", "attempt", "engine"])
    assert.deepStrictEqual(missing(spent, false), ["API", "attempt"])
    // Nobody notes when Elasticsearch refreshed: said of every healthy change, it would hide what is missing of one.
    assert.deepStrictEqual(missing({ ...spent, api: 1, attempts: 0, engine: 1, refresh: null }, true), [])
  })
})

describe("a small chart", () => {
  it.prop("stays within its frame and ends at its right edge", [Schema.NonEmptyArray(between(0, 1e7))], ([values]) => {
    const points = pointsOf(values.slice(0, 120), 120).map((point) => point.split(",").map(Number))
    for (const [x, y] of points) {
      assert.isTrue(x! >= -0.1 && x! <= 120.1 && y! >= 0 && y! <= 28, `${x},${y}`)
    }
    assert.closeTo(points.at(-1)![0]!, 120, 0.1)
  })
})

describe("the verdict", () => {
  const glance = {
    pending: 0,
    processing: 0,
    done: 0,
    dead: 0,
    oldest_pending_age_seconds: 0,
    lag_seconds: { p50: 0, p95: 0, p99: 0 },
    finished_per_second: 0,
    paused: false,
    paused_at: null,
    paused_reason: null,
    breakers: []
  }
  const worker = { id: "w1", alive: true, projections: ["search", "chronicle"], started_at: null, leases: [] } as const
  const of = (search: object, workers: ReadonlyArray<typeof worker> = [worker]) =>
    verdictOf({
      at: "2026-01-31T12:00:00Z",
      count_max: 10_000,
      projections: [{ ...glance, projection: "search", ...search }, { ...glance, projection: "chronicle" }],
      workers
    })

  const breaker = { worker: "w1", state: "open", error_type: "es_unavailable", detail: "", retry_at: "" }
  const cases = [
    [{}, "ok", "Every change is delivered."],
    [{ pending: 1 }, "ok", "1 change is on the way."],
    [{ pending: 3, processing: 2 }, "ok", "5 changes are on the way."],
    [{ dead: 1 }, "warn", "Search has 1 dead letter."],
    [{ paused: true, pending: 10_000 }, "warn", "Search is paused, 10,000+ waiting."],
    [{ breakers: [breaker], pending: 4 }, "bad", "Search cannot deliver (es_unavailable), 4 waiting."],
    [
      { pending: 12, oldest_pending_age_seconds: 190 },
      "warn",
      "Search is behind: 12 waiting, the oldest for 3 min 10 s."
    ]
  ] as const
  it.for(cases)("of %o is %s: %s", ([search, level, text]) => {
    assert.deepStrictEqual(of(search), { level, text })
  })

  it("names the missing worker first, whatever else is wrong", () => {
    const without = of({ pending: 2, oldest_pending_age_seconds: 99 }, [])
    assert.deepStrictEqual(without, { level: "bad", text: "No worker drains search, 2 waiting." })
  })
})
