/** A far side that does what the test says, row by row. */
import { Effect, Layer } from "effect"
import { type Delivered, Destination } from "../../src/delivery/Destination.ts"
import { timed } from "../../src/delivery/EngineCall.ts"
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
      deliver: (rows) =>
        Effect.map(
          timed("far.write", { status: 200 }, Effect.forEach(rows, (row) => Effect.map(answer(row), (outcome) => ({ row, outcome })))),
          ({ call, value }): Delivered => ({
            calls: [call],
            outcomes: new Map(value.flatMap(({ outcome, row }) => outcome === undefined ? [] : [[row.id, outcome]]))
          })
        )
    })
  )

/** The same for every row. */
export const always = (outcome: Outcome) => layer(() => Effect.succeed(outcome))

/** One outcome per delivery of a row, the last for all further ones. */
export const inTurn = (...outcomes: ReadonlyArray<Outcome>) =>
  layer(({ attempt }) => Effect.succeed(outcomes[Math.min(attempt, outcomes.length) - 1]!))
