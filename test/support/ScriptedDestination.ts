/** A far side that does what the test says: row by row, or with the request as a whole. */
import { Effect, Layer, Result } from "effect"
import { Destination } from "../../src/delivery/Destination.ts"
import { timed } from "../../src/delivery/EngineCall.ts"
import type { Failure } from "../../src/delivery/Failure.ts"
import type { Outcome } from "../../src/delivery/Settlement.ts"
import type { Delivery } from "../../src/outbox/Leases.ts"

export const written: Outcome = { _tag: "Written" }
export const superseded: Outcome = { _tag: "Superseded" }

const busy: Failure = { class: "throttled", errorType: "es_429", detail: "too many requests" }
export const failed = (failure: Partial<Failure> = {}): Outcome => ({
  _tag: "Failed",
  failure: { ...busy, ...failure }
})
export const poison = failed({ class: "poison", errorType: "es_mapping", detail: "no such field" })

/** What the far side says to one request. */
export interface Said {
  /** `undefined`: it says nothing of that row. */
  readonly outcomes: ReadonlyArray<Outcome | undefined>
  readonly refused?: Failure
  readonly status?: number
}

type Rows = ReadonlyArray<Delivery>

/** One request for each batch. */
export const requested = (say: (rows: Rows) => Effect.Effect<Said>) =>
  Layer.succeed(
    Destination,
    Destination.of({
      deliver: Effect.fnUntraced(function*(rows) {
        const { call, result } = yield* timed("far.write", {}, say(rows))
        const { outcomes, refused, status = 200 } = Result.getOrThrow(result)
        const told = rows.flatMap(({ id }, at) => outcomes[at] === undefined ? [] : [[id, outcomes[at]] as const])
        return { calls: [{ ...call, attributes: { status } }], outcomes: new Map(told), refused }
      })
    })
  )

export const layer = (answer: (row: Delivery) => Effect.Effect<Outcome | undefined>) =>
  requested((rows) => Effect.map(Effect.forEach(rows, answer), (outcomes) => ({ outcomes })))

/** The same for every row. */
export const always = (outcome: Outcome) => layer(() => Effect.succeed(outcome))

/** One outcome per delivery of a row, the last for all further ones. */
export const inTurn = (...outcomes: ReadonlyArray<Outcome>) =>
  layer(({ attempt }) => Effect.succeed(outcomes[Math.min(attempt, outcomes.length) - 1]!))

export const accepted = (rows: Rows): Said => ({ outcomes: rows.map(() => written) })

/** Everything is refused, whatever the rows are. */
export const refusal = (rows: Rows, failure: Partial<Failure> = {}): Said => {
  const refused: Failure = { class: "transient", errorType: "es_503", detail: "no shards", ...failure }
  return { outcomes: rows.map(() => ({ _tag: "Failed", failure: refused })), refused, status: 503 }
}

/** Answers once it is told to; before that it refuses everything. Counts the rows of each request. */
export const outage = (failure: Partial<Failure> = {}) => {
  const state = { healed: false, failure, sizes: [] as Array<number> }
  const destination = requested((rows) =>
    Effect.sync(() => {
      state.sizes.push(rows.length)
      return state.healed ? accepted(rows) : refusal(rows, state.failure)
    })
  )
  return { state, destination }
}
