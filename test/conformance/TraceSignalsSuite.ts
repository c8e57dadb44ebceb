/** What every store promises to processes that tell each other of traces that are worth keeping. */
import { assert, type Vitest } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { TraceSignals } from "../../src/telemetry/TraceSignals.ts"
import { type Backstage, fresh, passTime } from "../support/Backstage.ts"
import { suiteOf } from "./Suite.ts"

type Needs = TraceSignals | Backstage

const signals = TraceSignals.use.bind(TraceSignals)

const trace = (n: number) => n.toString(16).padStart(32, "0")
const span = (n: number) => n.toString(16).padStart(16, "0")

const write = (...all: ReadonlyArray<readonly [n: number, isFound: boolean]>) =>
  signals((store) => store.write(all.map(([n, isFound]) => ({ traceId: trace(n), isFound }))))
const recent = (within: Duration.Input) => signals((store) => store.recent(Duration.fromInputUnsafe(within)))
const claim = (...all: ReadonlyArray<readonly [traceId: number, spanId: number]>) =>
  Effect.map(
    signals((store) => store.claim(all.map(([t, s]) => ({ traceId: trace(t), spanId: span(s) })))),
    (claimed) => [...claimed].toSorted()
  )

const telling = (it: Vitest.MethodsNonLive<Needs>) => {
  it.effect("tells of what was written lately, and of nothing older", () =>
    Effect.gen(function*() {
      yield* write([1, false])
      yield* passTime("1 minute")
      yield* write([2, true], [1, false])
      assert.deepStrictEqual(yield* recent("30 seconds"), [trace(2)])
      assert.deepStrictEqual(yield* recent("5 minutes"), [trace(2), trace(1)])
      yield* signals((store) => store.purge(Duration.seconds(30)))
      assert.deepStrictEqual(yield* recent("5 minutes"), [trace(2)])
    }).pipe(fresh))

  it.effect("takes the same trace many times, at once too", () =>
    Effect.gen(function*() {
      const all = Array.from({ length: 50 }, (_, n) => [n + 1_000, n % 2 === 0] as const)
      yield* Effect.all([write(...all), write(...all.toReversed()), write(...all)], { concurrency: "unbounded" })
      const told = new Set(yield* recent("1 minute"))
      for (const [n] of all) assert.isTrue(told.has(trace(n)))
    }).pipe(fresh))
}

const rebuilding = (it: Vitest.MethodsNonLive<Needs>) => {
  it.effect("lets a span be rebuilt once, and none of a trace that is found", () =>
    Effect.gen(function*() {
      yield* write([101, false], [102, true], [103, false])
      yield* write([103, true], [102, false])
      assert.deepStrictEqual(yield* claim([101, 11], [101, 12], [102, 21], [103, 31]), [span(11), span(12)])
      assert.deepStrictEqual(yield* claim([101, 12], [101, 13]), [span(13)])
    }).pipe(fresh))

  it.effect("lets it be rebuilt where nobody wrote of the trace, or that is forgotten", () =>
    Effect.gen(function*() {
      yield* write([201, true])
      yield* passTime("1 minute")
      yield* signals((store) => store.purge(Duration.seconds(30)))
      assert.deepStrictEqual(yield* claim([201, 51], [209, 91]), [span(51), span(91)])
    }).pipe(fresh))
}

export const suite = suiteOf<Needs>("TraceSignals", [telling, rebuilding])
