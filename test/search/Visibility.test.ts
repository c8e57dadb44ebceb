/** Waiting until a write is found: how every wait ends, and that nothing which goes wrong in it fails the write. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Metric, Tracer } from "effect"
import { TestClock } from "effect/testing"
import { SearchUnavailable } from "../../src/search/SearchIndex.ts"
import { Visibility, waitersMax } from "../../src/search/Visibility.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import { newId } from "../support/Changes.ts"
import * as RecordedSpans from "../support/RecordedSpans.ts"
import { begun, isOver, many, resultOf, scripted, settled, wait } from "../support/ScriptedVisibility.ts"
import { away } from "../support/Working.ts"

const { only } = RecordedSpans

describe("a wait", () => {
  it.effect(
    "ends at its time, with the outbox looked at to the last",
    scripted((script) =>
      Effect.gen(function*() {
        const fiber = yield* begun(newId(), "3 seconds")
        yield* TestClock.adjust("2999 millis")
        assert.isFalse(isOver(fiber))
        yield* TestClock.adjust("1 millis")
        assert.isFalse(yield* Fiber.join(fiber))
        assert.strictEqual(yield* resultOf, "timeout")
        const looked = script.looks.length
        assert.isAtLeast(looked, 60)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(script.looks.length, looked)
        assert.strictEqual(script.refreshes, 0)
      })
    )
  )

  it.effect(
    "of no time is one look",
    scripted((script) =>
      Effect.gen(function*() {
        const [pending, delivered] = [newId(), newId()]
        script.states.set(delivered, "delivered")
        const fibers = [yield* begun(pending, 0), yield* begun(delivered, 0)]
        yield* settled
        assert.isFalse(yield* Fiber.join(fibers[0]!))
        yield* TestClock.adjust("10 millis")
        assert.isTrue(yield* Fiber.join(fibers[1]!))
        assert.strictEqual(script.looks.flat().length, 2)
        script.look = Effect.never
        const silent = yield* begun(delivered, 0)
        yield* TestClock.adjust("1 second")
        assert.isFalse(yield* Fiber.join(silent))
      })
    )
  )

  it.effect(
    "ends at once for a row that is dead",
    scripted((script) =>
      Effect.gen(function*() {
        const id = newId()
        script.states.set(id, "dead")
        assert.isFalse(yield* wait(id))
        assert.strictEqual(yield* resultOf, "dead")
        assert.strictEqual(script.refreshes, 0)
      })
    )
  )

  it.effect(
    "ends at once while the database is away, and goes well once it is back",
    scripted((script) =>
      Effect.gen(function*() {
        const id = newId()
        script.states.set(id, "delivered")
        script.look = away
        assert.isFalse(yield* wait(id))
        assert.strictEqual(yield* resultOf, "unavailable")
        script.look = Effect.die(new Error("a bug"))
        const broken = yield* begun(id)
        yield* TestClock.adjust("1 second")
        assert.isFalse(yield* Fiber.join(broken))
        script.look = Effect.void
        assert.isTrue(yield* wait(id))
      })
    )
  )

  it.effect(
    "ends at once while the index is away, and at its time while that is silent",
    scripted((script) =>
      Effect.gen(function*() {
        const id = newId()
        script.states.set(id, "delivered")
        script.refresh = Effect.fail(new SearchUnavailable({ engine: "elasticsearch", cause: "away" }))
        assert.isFalse(yield* wait(id))
        assert.strictEqual(yield* resultOf, "unavailable")
        script.refresh = Effect.interrupt
        const interrupted = yield* begun(id)
        yield* TestClock.adjust("1 second")
        assert.isFalse(yield* Fiber.join(interrupted))
        script.refresh = Effect.never
        const silent = yield* begun(id, "3 seconds")
        yield* TestClock.adjust("3 seconds")
        assert.isFalse(yield* Fiber.join(silent))
      })
    )
  )

  it.effect(
    "ends at once when the server stops, as does every later one",
    scripted(() =>
      Effect.gen(function*() {
        const waiters = yield* many(3)
        yield* settled
        yield* Visibility.use(({ dismiss }) => dismiss)
        for (const { fiber } of waiters) assert.isFalse(yield* Fiber.join(fiber))
        assert.isFalse(yield* wait(newId()))
      })
    )
  )

  it.effect(
    "is not begun where too many wait, until one has ended",
    scripted(() =>
      Effect.gen(function*() {
        const waiters = yield* many(1)
        while (waiters.length < waitersMax) {
          waiters.push(...yield* many(Math.min(1_000, waitersMax - waiters.length)))
          yield* settled
        }
        const crowded = yield* begun(newId())
        yield* settled
        assert.isFalse(yield* Fiber.join(crowded))
        yield* Fiber.interrupt(waiters[0]!.fiber)
        const next = yield* begun(newId())
        yield* settled
        assert.isFalse(isOver(next))
      })
    )
  )

  it.effect(
    "is a span of the request and a figure by its result",
    scripted((script) =>
      Effect.gen(function*() {
        const id = newId()
        script.states.set(id, "delivered")
        const figure = Metric.withAttributes(Metrics.visibleWait.metric, { result: "visible" })
        const before = (yield* Metric.value(figure)).count
        yield* wait(id).pipe(Effect.withSpan("POST /api/v1/tags", { kind: "server", root: true }))
        const tree = yield* RecordedSpans.tree(yield* only("POST /api/v1/tags"), "result")
        assert.deepStrictEqual(tree, ["POST /api/v1/tags SERVER", "  search.wait_visible result=visible"])
        // Neither looks nor refreshes are anybody's.
        assert.strictEqual((yield* RecordedSpans.all).length, 2)
        assert.strictEqual((yield* Metric.value(figure)).count, before + 1)
      })
    )
  )

  const broken = (part: "attribute" | "end") =>
    RecordedSpans.layerWith((tracer) =>
      Tracer.make({
        span: (options) =>
          Object.assign(tracer.span(options), {
            [part]: () => {
              throw new Error("a tracer that is broken")
            }
          })
      })
    )
  for (const part of ["attribute", "end"] as const) {
    it.effect(
      `fails nobody where the tracer throws (${part})`,
      scripted((script) =>
        Effect.gen(function*() {
          const id = newId()
          script.states.set(id, "delivered")
          assert.isBoolean(yield* wait(id))
        }), broken(part))
    )
  }
})
