/** A far side that does what the test says, row by row. */
import { Clock, Effect, Layer } from "effect"
import { Destination } from "../../src/delivery/Destination.ts"
import type { Failure } from "../../src/delivery/Failure.ts"
import type { Outcome } from "../../src/delivery/Settlement.ts"
import type { Delivery } from "../../src/outbox/Leases.ts"

export const written: Outcome = { _tag: "Written" }
export const superseded: Outcome = { _tag: "Superseded" }
export const failed = (failure: Partial<Failure> = {}): Outcome => ({
  _tag: "Failed",
  failure: { class: "throttled", errorType: "es_429", detail: "too many requests", ...failure }
})
export const poison = failed({ class: "poison", errorType: "es_mapping", detail: "no such field" })

/** `undefined`: the destination says nothing of that row. */
type Answer = (row: Delivery) => Effect.Effect<Outcome | undefined>

export const layer = (answer: Answer) =>
  Layer.succeed(
    Destination,
    Destination.of({
      deliver: Effect.fnUntraced(function*(rows) {
        const startedAt = yield* Clock.currentTimeNanos
        const outcomes = yield* Effect.withSpan(Effect.forEach(rows, answer), "far.write", { kind: "client" })
        const call = {
          name: "far.write",
          startedAt,
          endedAt: yield* Clock.currentTimeNanos,
          attributes: { status: 200 }
        }
        const told = rows.flatMap(({ id }, at) => outcomes[at] === undefined ? [] : [[id, outcomes[at]] as const])
        return { calls: [call], outcomes: new Map(told) }
      })
    })
  )

/** The same for every row. */
export const always = (outcome: Outcome) => layer(() => Effect.succeed(outcome))

/** One outcome per delivery of a row, the last for all further ones. */
export const inTurn = (...outcomes: ReadonlyArray<Outcome>) =>
  layer(({ attempt }) => Effect.succeed(outcomes[Math.min(attempt, outcomes.length) - 1]!))
