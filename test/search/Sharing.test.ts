/** What it costs that many wait until their writes are found: one look and one refresh for all of them. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { newId } from "../support/Changes.ts"
import { begun, isOver, many, scripted } from "../support/ScriptedVisibility.ts"

describe("what is shared", () => {
  it.effect(
    "is one look for all who wait, and one refresh for all who were found",
    scripted((script) =>
      Effect.gen(function*() {
        const waiters: Array<Effect.Success<ReturnType<typeof many>>[number]> = []
        for (let n = 0; n < 10; n++) {
          waiters.push(...yield* many(10))
          yield* TestClock.adjust("7 millis")
        }
        // By now all of them look every 50 ms.
        yield* TestClock.adjust("300 millis")
        const before = script.looks.length
        yield* TestClock.adjust("1 second")
        const looks = script.looks.slice(before)
        assert.strictEqual(looks.flat().length, 20 * waiters.length)
        // Timers go off one after the other: a look may begin with the first of them, and the rest share the next.
        assert.isAtMost(looks.length, 2 * 20)
        for (const { id } of waiters) script.states.set(id, "delivered")
        yield* TestClock.adjust("1 second")
        for (const { fiber } of waiters) assert.isTrue(yield* Fiber.join(fiber))
        assert.isAtMost(script.looks.length, before + 2 * 21)
        assert.isAtMost(script.refreshes, 2)
      })
    )
  )

  it.effect(
    "costs nothing while nobody waits",
    scripted((script) =>
      Effect.gen(function*() {
        yield* TestClock.adjust("1 minute")
        const { fiber, id } = (yield* many(1))[0]!
        script.states.set(id, "delivered")
        yield* TestClock.adjust("1 second")
        assert.isTrue(yield* Fiber.join(fiber))
        const looked = script.looks.length
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual([script.looks.length, script.refreshes], [looked, 1])
      })
    )
  )

  it.effect(
    "is a refresh that began after the row was seen gone, and never two at once",
    scripted((script) =>
      Effect.gen(function*() {
        const gates = [yield* Deferred.make<void>(), yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        script.refresh = Effect.suspend(() => Deferred.await(gates[script.refreshes - 1]!))
        const arrive = Effect.gen(function*() {
          const id = newId()
          script.states.set(id, "delivered")
          const fiber = yield* begun(id)
          yield* TestClock.adjust("100 millis")
          return fiber
        })
        const first = yield* arrive
        const [second, third] = [yield* arrive, yield* arrive]
        assert.strictEqual(script.refreshes, 1)
        yield* Deferred.succeed(gates[0]!, undefined)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual([first, second, third].map(isOver), [true, false, false])
        assert.strictEqual(script.refreshes, 2)
        yield* Deferred.succeed(gates[1]!, undefined)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual([first, second, third].map(isOver), [true, true, true])
        assert.strictEqual(script.refreshes, 2)
      })
    )
  )

  it.effect(
    "is looked at ever less often by who waits for long, and half of the time at most",
    scripted((script) =>
      Effect.gen(function*() {
        yield* many(1)
        yield* TestClock.adjust("1 second")
        // After 0, 2, 4, 6, 9, 12 ms and so on, then every 50 ms.
        assert.isAtLeast(script.looks.length, 20)
        assert.isAtMost(script.looks.length, 35)
        const before = script.looks.length
        script.look = Effect.sleep("100 millis")
        yield* TestClock.adjust("2 seconds")
        assert.isAtMost(script.looks.length - before, 11)
      })
    )
  )
})
