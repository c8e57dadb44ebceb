/** The queue to the collector, against every fault of a collector: bounded, one at a time, and exactly counted. */
import { assert, describe, it } from "@effect/vitest"
import { SpanKind } from "@opentelemetry/api"
import { resourceFromAttributes } from "@opentelemetry/resources"
import type { SpanExporter } from "@opentelemetry/sdk-trace-base"
import { Context, type Duration, Effect, Exit, Metric, Scope } from "effect"
import { FinishedSpan } from "../../layers/telemetry/FinishedSpan.ts"
import * as OtlpHttp from "../../layers/telemetry/OtlpHttp.ts"
import * as SpanQueue from "../../layers/telemetry/SpanQueue.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import { type Fault, type FaultyCollector, faultyCollector } from "../support/FaultyCollector.ts"
import { until } from "../support/Programs.ts"

const resource = resourceFromAttributes({ "service.name": "test" })

const span = (text = "", isError = false) =>
  new FinishedSpan(
    {
      name: "span",
      kind: SpanKind.INTERNAL,
      spanId: "00f067aa0ba902b7",
      parentId: undefined,
      isRemote: false,
      begun: 1_000_000_000n,
      ended: 2_000_000_000n,
      attributes: { text },
      error: isError ? "no luck" : undefined
    },
    { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", traceFlags: 1, traceState: undefined },
    { resource, scope: { name: "test" } }
  )

const valueOf = ({ metric }: { readonly metric: Metric.Counter<number> }, labels: Record<string, string>) =>
  Metric.withAttributes(metric, labels).valueUnsafe(Context.empty()).count

const counts = () => ({
  exported: valueOf(Metrics.spans, { result: "exported" }),
  dropped: valueOf(Metrics.spans, { result: "dropped" })
})

const settings = { spanQueueMax: 200, spanBatchMax: 32, spanDelayMs: 1, exportTimeoutMs: 150 }

/** What became of the spans that `work` produced, and how many it did; `flushFor` is how long its end may take. */
const accounted = async (
  sink: OtlpHttp.SpanSink,
  work: (queue: SpanQueue.SpanQueue) => Promise<number>,
  { flushFor = "100 millis", ...other }: Partial<typeof settings> & { readonly flushFor?: Duration.Input } = {}
) => {
  const before = counts()
  const scope = Scope.makeUnsafe()
  const queue = await Effect.runPromise(
    Scope.provide(SpanQueue.make(sink, { ...settings, ...other }, flushFor), scope)
  )
  const produced = await work(queue)
  await Effect.runPromise(Scope.close(scope, Exit.void))
  queue.offer(span("too late"))
  const { dropped, exported } = counts()
  assert.strictEqual(queue.held().spans, 0)
  const found = { produced, exported: exported - before.exported, dropped: dropped - before.dropped - 1 }
  assert.strictEqual(found.exported + found.dropped, found.produced, JSON.stringify(found))
  return found
}

const fill = (queue: SpanQueue.SpanQueue, spans: number, text = "", isError = false) => {
  for (let n = 0; n < spans; n++) queue.offer(span(text, isError))
  return spans
}

const reasons: ReadonlyArray<readonly [fault: Fault, reason: string]> = [
  ["down", "unreachable"],
  ["hanging", "timeout"],
  ["throttled", "throttled"],
  ["error", "server_error"],
  ["garbage", "invalid_answer"],
  ["drip", "timeout"],
  ["certificate", "tls"],
  ["dns", "dns"]
]

const longAgo = { exportTimeoutMs: 60_000, flushFor: "1 minute" } as const

const withCollector = async (
  fault: Fault,
  work: (collector: FaultyCollector, sink: OtlpHttp.SpanSink) => Promise<unknown>,
  timeoutMs: number = settings.exportTimeoutMs
) => {
  const collector = await faultyCollector(fault)
  try {
    await work(collector, OtlpHttp.make({ url: collector.url, timeoutMs }))
  } finally {
    await collector.stop()
  }
}

describe("a collector with a fault", () => {
  for (const [fault, reason] of reasons) {
    it(`is told of one export at a time, and what it does not take is counted: ${fault}`, () =>
      withCollector(fault, async (collector, sink) => {
        const failures = () => valueOf(Metrics.exportFailures, { reason })
        const before = failures()
        const found = await accounted(sink, async (queue) => {
          let produced = 0
          await until(`an export to fail as ${reason}`, () => {
            produced += fill(queue, 100)
            assert.isAtMost(queue.held().spans, settings.spanQueueMax)
            return failures() > before
          })
          return produced
        })
        assert.strictEqual(found.exported, 0)
        assert.isAtMost(collector.atOnce().requests, 1)
        assert.isAtMost(collector.atOnce().sockets, 2)
      }))
  }

  it("that is slow gets batch after batch, and what finds no room meanwhile is dropped", () =>
    withCollector("slow", async (collector, sink) => {
      const found = await accounted(sink, (queue) => Promise.resolve(fill(queue, 1_000)), longAgo)
      assert.strictEqual(found.exported, settings.spanQueueMax * 0.75)
      assert.strictEqual(collector.accepted(), found.exported)
      assert.deepStrictEqual(collector.atOnce(), { requests: 1, sockets: 1 })
    }, longAgo.exportTimeoutMs))

  it("that finds batches too large gets smaller ones, and all of them", () =>
    withCollector("too_large", async (collector, sink) => {
      const found = await accounted(sink, (queue) => Promise.resolve(fill(queue, 100)), longAgo)
      assert.deepInclude(found, { exported: 100, dropped: 0 })
      assert.strictEqual(collector.accepted(), 100)
      // Eight is what it takes: 32, 16 and, once, 9 are refused; then it takes 5, 6, 7 and eights.
      assert.isAtMost(collector.requests(), 18)
    }, longAgo.exportTimeoutMs))

  it("that gets well gets what waited, and is asked no sooner than it said", () =>
    withCollector("throttled", async (collector, sink) => {
      const found = await accounted(sink, async (queue) => {
        fill(queue, 1)
        await until("a first export", () => collector.requests() === 1)
        const refusedAt = performance.now()
        collector.mend()
        await until("the span to be taken", () => collector.accepted() === 1)
        assert.isAtLeast(performance.now() - refusedAt, 950)
        await until("the queue to be empty", () => queue.held().spans === 0)
        return 1
      })
      assert.deepInclude(found, { exported: 1, dropped: 0 })
    }))
})

/** An exporter of OpenTelemetry's shape that does what `work` does. */
const sinkThat = (work: SpanExporter["export"]) =>
  OtlpHttp.make({ url: "", timeoutMs: 10 }, { export: work, shutdown: () => Promise.resolve() })

const silent = () => sinkThat(() => {})

describe("the queue", () => {
  it("lives on when the exporter throws or never answers", async () => {
    const angry = sinkThat(() => {
      throw new Error("the exporter is angry")
    })
    for (const sink of [angry, silent()]) {
      const found = await accounted(sink, (queue) => Promise.resolve(fill(queue, 300)), { exportTimeoutMs: 10 })
      assert.strictEqual(found.exported, 0)
    }
  })

  it("counts what the far side rejected of a batch that it took", async () => {
    const sink: OtlpHttp.SpanSink = {
      export: (_, done) => done({ _tag: "Accepted", rejected: 3 }),
      abort: () => {},
      shutdown: () => Promise.resolve()
    }
    const found = await accounted(sink, (queue) => Promise.resolve(fill(queue, 10)))
    assert.deepInclude(found, { exported: 7, dropped: 3 })
  })

  it("hears from the far side itself how much it rejected", async () => {
    const collector = await faultyCollector("partial")
    const found = await accounted(
      OtlpHttp.make({ url: collector.url, timeoutMs: 60_000 }),
      (queue) => Promise.resolve(fill(queue, 10)),
      longAgo
    )
    assert.deepInclude(found, { exported: 8, dropped: 2 })
    await collector.stop()
  })

  it("is sent in small batches while there is room, and in large ones once there is not, or at its end", async () => {
    const sizes: Array<number> = []
    const sink: OtlpHttp.SpanSink = {
      export: (spans, done) => {
        sizes.push(spans.length)
        setImmediate(done, { _tag: "Accepted", rejected: 0 })
      },
      abort: () => {},
      shutdown: () => Promise.resolve()
    }
    const found = await accounted(sink, async (queue) => {
      fill(queue, 400)
      await until("a few to be left", () => queue.held().spans < 128)
      fill(queue, 1_000)
      await until("a few to be left again", () => queue.held().spans < 128)
      return 1_400 + fill(queue, 400)
    }, { spanQueueMax: 2_000, spanBatchMax: 500, spanDelayMs: 60_000, flushFor: "1 minute" })
    assert.deepInclude(found, { exported: 1_800, dropped: 0 })
    assert.deepStrictEqual(sizes.slice(0, 3), [128, 128, 128])
    assert.isTrue(sizes.slice(3).includes(500))
    assert.isAbove(sizes.at(-1)!, 128)
  })

  const patient = { spanDelayMs: 60_000, spanBatchMax: 100_000, flushFor: 1 }

  it("keeps its last quarter for what failed", () =>
    accounted(silent(), (queue) => {
      fill(queue, 180)
      assert.strictEqual(queue.held().spans, 150)
      assert.isFalse(queue.hasRoom(1))
      fill(queue, 180, "", true)
      assert.strictEqual(queue.held().spans, 200)
      return Promise.resolve(361)
    }, { ...patient, spanBatchMax: 200 }))

  it("is bounded in bytes, too", () =>
    accounted(silent(), (queue) => {
      fill(queue, 200, "x".repeat(65_536))
      assert.isAtMost(queue.held().bytes, SpanQueue.bytesMax)
      assert.isAbove(queue.held().spans, 80)
      return Promise.resolve(200)
    }, { ...patient, spanQueueMax: 100_000 }))

  it("sends what waits before its time when it is flushed, and at its end", () =>
    withCollector("none", async (collector, sink) => {
      const found = await accounted(sink, async (queue) => {
        fill(queue, 10)
        await Effect.runPromise(queue.flush)
        assert.strictEqual(collector.accepted(), 10)
        return 10 + fill(queue, 5)
      }, { ...patient, ...longAgo })
      assert.deepInclude(found, { exported: 15, dropped: 0 })
    }, longAgo.exportTimeoutMs))
})
