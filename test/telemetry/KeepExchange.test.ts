/** The exchange of kept traces between processes leaves no trace of its own, and disturbs nobody when it breaks. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as TraceSignalsMemory from "../../layers/memory/TraceSignalsMemory.ts"
import { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import * as KeepExchange from "../../src/telemetry/KeepExchange.ts"
import { KeepExchanged, type Signal } from "../../src/telemetry/TraceKeeping.ts"
import { TraceSignals } from "../../src/telemetry/TraceSignals.ts"
import * as Spans from "../support/RecordedSpans.ts"

/** A process that has one trace to tell of at each turn. */
const talkative = () => {
  const heard: Array<string> = []
  let turns = 0
  const exchanged: KeepExchanged = {
    takeSignals: (): ReadonlyArray<Signal> => [{ traceId: (++turns).toString(16).padStart(32, "0"), isFound: false }],
    heard: (traceIds) => heard.push(...traceIds),
    takeUnfound: () => [],
    rebuild: () => {}
  }
  return { exchanged, heard, turns: () => turns }
}

const running = (process: ReturnType<typeof talkative>, signals: Layer.Layer<TraceSignals>) =>
  Layer.build(
    KeepExchange.layer().pipe(
      Layer.provide(signals),
      Layer.provide(Layer.succeed(KeepExchanged, process.exchanged))
    )
  )

describe("the exchange of kept traces", () => {
  it.effect("makes no span in ten minutes, and hears within seconds what was told", () =>
    Effect.gen(function*() {
      const process = talkative()
      yield* running(process, TraceSignalsMemory.layer)
      yield* TestClock.adjust("10 minutes")
      assert.isAtLeast(process.turns(), 300)
      assert.isAtLeast(new Set(process.heard).size, process.turns() - 1)
      assert.deepStrictEqual(yield* Spans.all, [])
    }).pipe(Effect.scoped, Effect.provide(Spans.layer)))

  for (
    const [how, broken] of [
      ["does not answer", Effect.fail(new StoreUnavailable({ cause: "away" }))],
      ["breaks", Effect.die(new Error("a bug"))]
    ] as const
  ) {
    it.effect(`goes on for as long as the store ${how}`, () =>
      Effect.gen(function*() {
        const process = talkative()
        const store = TraceSignals.of({
          write: () => broken,
          recent: () => Effect.succeed([]),
          claim: () => broken,
          purge: () => broken
        })
        yield* running(process, Layer.succeed(TraceSignals, store))
        yield* TestClock.adjust("1 minute")
        assert.isAtLeast(process.turns(), 30)
      }).pipe(Effect.scoped))
  }
})
