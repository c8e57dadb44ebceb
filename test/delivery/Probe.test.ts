/** The one row that asks whether a far side that refused everything has recovered. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Turn from "../../src/delivery/Turn.ts"
import { Valve } from "../../src/delivery/Valve.ts"
import { ProjectionControl } from "../../src/outbox/ProjectionControl.ts"
import { commitMany } from "../support/Changes.ts"
import * as Spans from "../support/RecordedSpans.ts"
import * as ScriptedDestination from "../support/ScriptedDestination.ts"
import * as Working from "../support/Working.ts"

const { accepted, outage, refusal, requested } = ScriptedDestination
const { away, leasesThat, rows, working } = Working
const { only } = Spans

describe("a probe", () => {
  const one = { ...Working.options, attemptsMax: 10 }
  const broken = (duration: "0 seconds" | "1 minute") => {
    const { destination, state } = outage({ class: "configuration" })
    const slow = requested((rows) =>
      Effect.delay(
        Effect.sync(() => state.healed ? accepted(rows) : refusal(rows, state.failure)),
        state.sizes.push(rows.length) > 1 ? duration : "0 seconds"
      )
    )
    return { destination: duration === "0 seconds" ? destination : slow, state }
  }

  it.effect("is one at a time: the other slots wait for what comes of it", () => {
    const { destination, state } = broken("1 minute")
    return Effect.gen(function*() {
      yield* commitMany(20)
      yield* Turn.runOnce(one)
      yield* TestClock.adjust("20 seconds")
      const probing = yield* Effect.forkChild(Turn.runOnce(one))
      yield* TestClock.adjust("1 second")
      const other = yield* Turn.runOnce(one, 1)
      assert.deepInclude(other, { _tag: "Barred" })
      state.healed = true
      yield* TestClock.adjust("1 minute")
      assert.deepInclude(yield* Fiber.join(probing), { rows: 1 })
      const rest = yield* Effect.forkChild(Turn.runOnce(one, 1))
      yield* TestClock.adjust("1 minute")
      assert.deepInclude(yield* Fiber.join(rest), { rows: 19 })
      assert.deepStrictEqual(state.sizes, [20, 1, 19])
    }).pipe(working(destination))
  })

  it.effect("that is interrupted may be made by the next who asks", () => {
    const { destination, state } = broken("1 minute")
    return Effect.gen(function*() {
      yield* commitMany(20)
      yield* Turn.runOnce(one)
      yield* TestClock.adjust("20 seconds")
      const probing = yield* Effect.forkChild(Turn.runOnce(one))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(probing)
      yield* TestClock.adjust("1 second")
      const next = yield* Effect.forkChild(Turn.runOnce(one))
      yield* TestClock.adjust("61 seconds")
      assert.deepInclude(yield* Fiber.join(next), { rows: 1 })
      assert.deepStrictEqual(state.sizes, [20, 1, 1])
      assert.isTrue((yield* rows).every(({ attempts }) => attempts === 0))
    }).pipe(working(destination))
  })

  it.effect("that finds no row, or no database, may be made by the next who asks", () => {
    const { destination } = broken("0 seconds")
    let isAway = false
    const ports = leasesThat(({ claim }) => ({
      claim: (...args) => Effect.suspend(() => isAway ? away : claim(...args))
    }))
    return Effect.gen(function*() {
      yield* commitMany(1)
      yield* Turn.runOnce(one)
      yield* ProjectionControl.use(({ pause }) => pause("search", null))
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* Turn.runOnce(one), { _tag: "Idle" })
      yield* TestClock.adjust("1 second")
      isAway = true
      yield* Effect.flip(Turn.runOnce(one))
      yield* TestClock.adjust("1 second")
      const { admit } = yield* Valve
      assert.deepInclude(yield* admit(0), { _tag: "Admission", limit: 1 })
      assert.deepInclude(yield* admit(0), { _tag: "Barred" })
    }).pipe(working(destination, { ports }))
  })

  it.effect("leaves the spans of any other batch", () => {
    const { destination } = broken("0 seconds")
    return Effect.gen(function*() {
      yield* Working.request()
      yield* Turn.runOnce(one)
      const process = yield* only("outbox.process")
      assert.deepInclude(Spans.attributesOf(process), {
        result: "failed",
        outcome: "retry_scheduled",
        "error.type": "es_503",
        retry_reason: "5xx",
        ack_rows: 1
      })
    }).pipe(working(destination))
  })
})
