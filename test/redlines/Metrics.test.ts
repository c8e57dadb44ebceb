/** S3-10, S3-58…60, S3-67, S3-68: names stay, label values come from closed lists, series are bounded. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Metric, Tracer } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { apiRoutes } from "../../layers/http/RouteTable.ts"
import * as Families from "../../layers/telemetry/Families.ts"
import * as MetricsText from "../../layers/telemetry/MetricsText.ts"
import type { RouteTemplate } from "../../src/telemetry/HttpLabels.ts"
import { counter, histogram, instruments } from "../../src/telemetry/Instruments.ts"
import { KeptTraces } from "../../src/telemetry/KeptTraces.ts"
import { atMost, oneOf } from "../../src/telemetry/Labels.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import { MetricsReport } from "../../src/telemetry/MetricsReport.ts"
import { SeriesAlarm, seriesMax } from "../../src/telemetry/SeriesAlarm.ts"

/** What dashboards and alerts of others are made of. A line may be added; none may change. */
const promised = [
  "counter http_requests_total method route status_code",
  "histogram http_request_duration_seconds method route",
  "gauge http_requests_in_flight",
  "histogram http_request_size_bytes method route",
  "histogram http_response_size_bytes method route",
  "counter db_queries_total operation table",
  "histogram db_query_duration_seconds operation table",
  "gauge db_connections_open",
  "gauge db_connections_max",
  "gauge db_connections_waiting",
  "counter outbox_enqueued_total projection",
  "counter outbox_processed_total projection result",
  "counter outbox_retries_total projection reason",
  "counter outbox_dead_total projection error_type",
  "counter outbox_reclaims_total projection",
  "counter outbox_ack_guard_misses_total projection",
  "counter outbox_idle_polls_total projection",
  "gauge outbox_pending projection",
  "gauge outbox_oldest_pending_age_seconds projection",
  "gauge outbox_in_flight projection",
  "histogram outbox_lag_seconds projection",
  "histogram outbox_wait_seconds projection",
  "histogram outbox_batch_size projection",
  "counter tracing_spans_total result",
  "counter tracing_export_failures_total reason",
  "counter tracing_invalid_context_total carrier",
  "counter observability_errors_total",
  "gauge observability_series"
]

describe("metrics", () => {
  it("keep their names, types and labels", () => {
    const all = new Set(instruments.map(({ lists, name, type }) => [type, name, ...Object.keys(lists)].join(" ")))
    assert.deepStrictEqual(promised.filter((line) => !all.has(line)), [])
    assert.strictEqual(new Set(instruments.map(({ name }) => name)).size, instruments.length)
  })

  it("are named by domain, name and unit, and described", () => {
    for (const { help, name, type } of instruments) {
      assert.match(name, /^[a-z]+(_[a-z]+)+$/)
      assert.strictEqual(type === "counter", name.endsWith("_total"), name)
      assert.isAbove(help.length, 10)
    }
  })

  it("are updated through their instruments alone, so that no list is passed by", () => {
    const root = new URL("../../", import.meta.url)
    const files = ["src", "layers", "programs"].flatMap((folder) =>
      readdirSync(new URL(folder, root), { recursive: true, encoding: "utf8" }).map((path) => `${folder}/${path}`)
    )
    const others = files.filter((path) =>
      path.endsWith(".ts") && path !== "src/telemetry/Instruments.ts" &&
      /\bMetric\.(update|modify|withAttributes)\b/.test(readFileSync(new URL(path, root), "utf8"))
    )
    assert.deepStrictEqual(others, [])
  })

  it("begin at zero where they count and their labels are known, so that a first increase is seen", () => {
    const families = Families.own(Context.make(Metric.MetricRegistry, new Map()))
    const counted = families.filter(({ name, type }) => type === "counter" && !name.startsWith("http_"))
    assert.deepStrictEqual(counted.filter(({ samples }) => samples.length === 0).map(({ name }) => name), [])
    assert.isTrue(counted.every(({ samples }) => samples.every(({ value }) => value === 0)))
  })

  it("take no label that is not from a closed list: another does not compile", () => {
    const said: string = "what a caller sent"
    // @ts-expect-error an open string
    void Metrics.retries.add({ projection: "search", reason: said })
    // @ts-expect-error a value that is not on the list
    void Metrics.processed.add({ projection: "search", result: "maybe" })
    // @ts-expect-error a path is no template
    void Metrics.httpDuration.observe({ method: "GET", route: "/api/v1/tags/1" }, 1)
    // @ts-expect-error a label is missing
    void Metrics.dbQueries.add({ operation: "query" })
    // @ts-expect-error a list of any strings
    void oneOf([said])
    // @ts-expect-error any string
    void atMost<string>(10)
  })

  it("count what slips by the compiler as other", () => {
    const context = Context.make(Metric.MetricRegistry, new Map())
    const slipped = counter("test_slipped_total", "What slipped by the compiler", {
      known: oneOf(["a"]),
      made: atMost<RouteTemplate>(2)
    })
    for (let at = 0; at < 1_000; at++) {
      slipped.addUnsafe({ known: `x${at}` as "a", made: `/${at}` as RouteTemplate }, 1, context)
    }
    const series = Metric.snapshotUnsafe(context).map(({ attributes }) => attributes)
    assert.deepStrictEqual(series, [
      { known: "other", made: "/0" },
      { known: "other", made: "/1" },
      { known: "other", made: "other" }
    ])
  })

  /** Every route with its methods, HEAD beside GET, and each method on what is no route. */
  const pairs = apiRoutes().reduce((sum, [method]) => sum + (method === "GET" ? 2 : 1), 0) + 40

  it("can never make more series than a tenth above what the alarm allows, whatever is asked", () => {
    const most = instruments.reduce((sum, { lists, samplesMax }) => {
      const { method, route } = lists
      return sum + (route === undefined ? samplesMax : samplesMax / (method!.max * route.max) * pairs)
    }, 0)
    assert.isBelow(most, seriesMax)
  })
})

describe("the series alarm", () => {
  const watching = (counts: Array<number>) => {
    const warnings: Array<unknown> = []
    const logger = Logger.make(({ message }) => void warnings.push(message))
    const report = Layer.succeed(MetricsReport, {
      render: () => Effect.succeed(""),
      series: Effect.sync(() => counts.shift()!)
    })
    return { warnings, layer: Layer.provideMerge(SeriesAlarm.layer(), Layer.merge(report, Logger.layer([logger]))) }
  }

  it.effect("warns once when the limit is passed, notes it for readiness, and again after it was below", () => {
    const { layer, warnings } = watching([10_000, 10_001, 12_000, 9_999, 10_001])
    return Effect.gen(function*() {
      const alarm = yield* SeriesAlarm
      const seen: Array<readonly [number, boolean]> = []
      for (let look = 0; look < 5; look++) {
        yield* alarm.sample
        seen.push([warnings.length, (yield* alarm.note) !== undefined])
      }
      assert.deepStrictEqual(seen, [[0, false], [1, true], [1, true], [1, false], [2, true]])
    }).pipe(Effect.provide(layer))
  })
})

describe("exemplars", () => {
  const span = (digit: string) => Tracer.externalSpan({ traceId: digit.repeat(32), spanId: digit.repeat(16) })
  const bounds = [1, 10]

  it("point to kept traces only, and to those that are kept later once they are", () => {
    let decide: (traceId: string, isKept: boolean) => void = () => {}
    const kept: KeptTraces = {
      isExported: (traceId) => traceId.startsWith("a"),
      subscribe: (onDecided) => {
        decide = onDecided
        return () => {}
      }
    }
    const context = Context.make(Metric.MetricRegistry, new Map()).pipe(Context.add(KeptTraces, kept))
    const seconds = histogram("test_exemplar_seconds", "What has exemplars", bounds)
    seconds.observeUnsafe({}, 0.5, context, span("a"))
    seconds.observeUnsafe({}, 5, context, span("b"))
    seconds.observeUnsafe({}, 6, context, span("c"))
    seconds.observeUnsafe({}, 50, context, null)
    const shown = () => seconds.exemplars.get("")!.map((exemplar) => exemplar?.traceId[0])
    assert.deepStrictEqual(shown(), ["a", undefined, undefined])
    decide("c".repeat(32), false)
    assert.deepStrictEqual(shown(), ["a", undefined, undefined])
    decide("b".repeat(32), true)
    assert.deepStrictEqual(shown(), ["a", "b", undefined])
  })

  it("are in OpenMetrics alone, within 128 characters", () => {
    const exemplar = { traceId: "a".repeat(32), spanId: "b".repeat(16), value: 0.5, at: 1_700_000_000_123 }
    const families = [{
      name: "a_seconds",
      help: "A \"quoted\" \\ help\nof two lines",
      type: "histogram" as const,
      samples: [{ suffix: "_bucket", labels: { le: "1048576" }, value: 1, exemplar }]
    }, { name: "b_total", help: "B", type: "counter" as const, samples: [{ suffix: "", labels: {}, value: 2 }] }]
    const same = (name: string) => name
    assert.strictEqual(
      MetricsText.format(families, same, "openmetrics"),
      [
        "# HELP a_seconds A \\\"quoted\\\" \\\\ help\\nof two lines",
        "# TYPE a_seconds histogram",
        `a_seconds_bucket{le="1.048576e+06"} 1 # {trace_id="${exemplar.traceId}",span_id="${exemplar.spanId}"} 0.5 ` +
        "1700000000.123",
        "# HELP b B",
        "# TYPE b counter",
        "b_total 2",
        "# EOF",
        ""
      ].join("\n")
    )
    const text = MetricsText.format(families, same, "text")
    assert.notInclude(text, "trace_id")
    assert.include(text, "a_seconds_bucket{le=\"1048576\"} 1\n")
    assert.isBelow(`trace_id${exemplar.traceId}span_id${exemplar.spanId}`.length, 128)
  })
})
