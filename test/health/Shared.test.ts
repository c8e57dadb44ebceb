/** Probes that come at once share one check, and whoever goes away takes nothing from the others. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { shared } from "../../src/health/Shared.ts"

const counting = Effect.gen(function*() {
  const gate = yield* Deferred.make<void>()
  let made = 0
  const check = yield* shared(Effect.suspend(() => {
    made += 1
    return Effect.as(Deferred.await(gate), made)
  }))
  return { gate, check, made: () => made }
})

describe("a shared check", () => {
  it.effect("is made once for all who ask while it is under way, and anew for who comes later", () =>
    Effect.gen(function*() {
      const { check, gate, made } = yield* counting
      const probes = yield* Effect.forEach(Array.from({ length: 100 }), () => Effect.forkChild(check))
      yield* Effect.yieldNow
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(new Set(yield* Fiber.joinAll(probes)), new Set([1]))
      assert.strictEqual(made(), 1)
      assert.strictEqual(yield* check, 2)
    }))

  it.effect("goes on for the others although who began it has gone", () =>
    Effect.gen(function*() {
      const { check, gate } = yield* counting
      const first = yield* Effect.forkChild(check, { startImmediately: true })
      const second = yield* Effect.forkChild(check, { startImmediately: true })
      yield* Fiber.interrupt(first)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Fiber.join(second), 1)
    }))

  it.effect("that breaks breaks for all, and the next is a new one", () =>
    Effect.gen(function*() {
      let made = 0
      const check = yield* shared(
        Effect.suspend(() => ++made === 1 ? Effect.die(new Error("a bug")) : Effect.succeed(made))
      )
      assert.strictEqual((yield* Effect.exit(check))._tag, "Failure")
      assert.strictEqual(yield* check, 2)
    }))
})
