/** Nobody waits beyond the time that a request has: its write would be done, and the answer would say it failed. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import { answerWithin, atMost, Deadline } from "../../layers/http/Deadline.ts"

const left = (seconds: number) => Effect.map(atMost(Duration.seconds(seconds)), Duration.toSeconds)

describe("the time that is left", () => {
  it.effect("is what was asked for, or what leaves room for the answer, and never less than none", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* left(25), 25)
      const deadline = (yield* Clock.currentTimeNanos) + Duration.toNanosUnsafe(answerWithin)
      yield* Effect.gen(function*() {
        assert.strictEqual(yield* left(25), 25)
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(yield* left(25), 18)
        assert.strictEqual(yield* left(3), 3)
        yield* TestClock.adjust("19 seconds")
        assert.strictEqual(yield* left(25), 0)
        yield* TestClock.adjust("19 seconds")
        assert.strictEqual(yield* left(25), 0)
      }).pipe(Effect.provideService(Deadline, deadline))
    }))
})
