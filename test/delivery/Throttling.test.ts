/** A far side that has too much to do is asked for less; one that takes no long request, for shorter ones. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Turn from "../../src/delivery/Turn.ts"
import { Valve } from "../../src/delivery/Valve.ts"
import { commitMany } from "../support/Changes.ts"
import * as ScriptedDestination from "../support/ScriptedDestination.ts"
import * as Working from "../support/Working.ts"

const { accepted, failed, refusal, requested, written } = ScriptedDestination
const { rows, start, store, working } = Working

const options = { ...Working.options, attemptsMax: 10, batchSize: 100, concurrency: 4 }
const runOnce = Turn.runOnce(options)

/** What a slot would be let in with. */
const admitted = (slot = 0) =>
  Valve.use(({ admit }) =>
    Effect.map(admit(slot), (answer) => answer._tag === "Admission" ? answer.limit : answer._tag)
  )

/** Answers in turn what the test says, then accepts everything. */
const saying = (...answers: ReadonlyArray<(rows: Parameters<typeof accepted>[0]) => ScriptedDestination.Said>) => {
  let turn = 0
  return requested((rows) => Effect.sync(() => (answers[turn++] ?? accepted)(rows)))
}

const busy = (rows: Parameters<typeof accepted>[0]) => refusal(rows, { class: "throttled", errorType: "es_429" })

describe("a far side that has too much to do", () => {
  it.effect("is asked for half as much, by a slot less, and slowly for more once it has not", () =>
    Effect.gen(function*() {
      yield* commitMany(900)
      assert.strictEqual(yield* admitted(3), 100)
      yield* runOnce
      assert.strictEqual(yield* admitted(), 50)
      assert.deepStrictEqual([yield* admitted(2), yield* admitted(3)], [50, "Barred"])
      assert.deepInclude(yield* runOnce, { rows: 50 })
      for (let turn = 0; turn < 3; turn++) yield* runOnce
      assert.deepStrictEqual([yield* admitted(), yield* admitted(3)], [60, 60])
      for (let turn = 0; turn < 16; turn++) {
        yield* commitMany(1)
        yield* runOnce
      }
      assert.strictEqual(yield* admitted(3), 100)
    }).pipe(working(saying(busy), { options })))

  it.effect("is the same when it says so of single rows, but then it has answered", () =>
    Effect.gen(function*() {
      yield* commitMany(900)
      for (let turn = 0; turn < 6; turn++) yield* runOnce
      assert.strictEqual(yield* admitted(), 10)
      assert.deepStrictEqual([yield* admitted(0), yield* admitted(1)], [10, "Barred"])
    }).pipe(
      working(ScriptedDestination.layer(({ id }) => Effect.succeed(id % 9 === 0 ? failed() : written)), { options })
    ))

  it.effect("gets everything in the end", () =>
    Effect.gen(function*() {
      // It takes twenty rows at once, and no two requests in the same half of a second.
      let last = -Infinity
      const destination = requested((rows) =>
        Effect.clockWith((clock) =>
          Effect.sync(() => {
            const now = clock.currentTimeMillisUnsafe()
            const isBusy = now - last < 500 || rows.length > 20
            if (!isBusy) last = now
            return isBusy ? busy(rows) : accepted(rows)
          })
        )
      )
      yield* commitMany(60)
      const { stop } = yield* start({ destination, options: { ...options, attemptsMax: 100 } })
      yield* TestClock.adjust("3 minutes")
      assert.isTrue((yield* rows).every(({ status }) => status === "done"))
      yield* stop
    }).pipe(store))
})

describe("a far side that takes no long request", () => {
  it.effect("is sent shorter ones, by as many slots", () =>
    Effect.gen(function*() {
      yield* commitMany(900)
      yield* runOnce
      assert.deepStrictEqual([yield* admitted(), yield* admitted(3)], [50, 50])
      yield* runOnce
      assert.deepStrictEqual([yield* admitted(), yield* admitted(3)], [25, 25])
    }).pipe(working(
      requested((rows) =>
        Effect.succeed({
          outcomes: rows.map(() => failed({ class: "transient", errorType: "es_too_large" })),
          status: 413
        })
      ),
      { options }
    )))
})
