/** What can happen to an outbox, as commands of a random history. */
import { Schema } from "effect"
import { Operation } from "../../src/domain/Change.ts"
import type { Settlement } from "../../src/outbox/Leases.ts"
import { releaseSeconds, retrySeconds } from "./OutboxModel.ts"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const worker = Schema.Literals(["w1", "w2", "w3"])
const projection = Schema.Literals(["search", "chronicle"])
const outcome = Schema.Literals(["done", "superseded", "retry", "wait", "dead", "release", "later", "nothing"])
const outcomes = Schema.Array(outcome).check(Schema.isMinLength(1), Schema.isMaxLength(4))
export type Outcome = typeof outcome.Type
/** Which of the batches that are remembered; the last ones are likelier to be held still. */
const batch = between(0, 7)
const entity = between(0, 3)
/** Fewer and more than the crashes that bury a row. */
const attemptsMax = Schema.Literals([3, 7])

export const Command = Schema.Union([
  Schema.Struct({ do: Schema.Literal("write"), entity, op: Operation }),
  Schema.Struct({ do: Schema.Literal("write"), entity: between(0, 1), op: Operation }),
  Schema.Struct({ do: Schema.Literal("claim"), projection, worker, limit: between(1, 4) }),
  Schema.Struct({ do: Schema.Literal("claim"), projection, worker, limit: between(1, 9) }),
  Schema.Struct({ do: Schema.Literal("claimAlone"), projection, worker }),
  Schema.Struct({ do: Schema.Literal("settle"), batch, each: outcomes }),
  Schema.Struct({ do: Schema.Literal("settle"), batch: between(0, 1), each: outcomes }),
  Schema.Struct({ do: Schema.Literal("settle"), batch: between(0, 1), each: Schema.Tuple([outcome]) }),
  Schema.Struct({ do: Schema.Literal("extend"), batch }),
  Schema.Struct({ do: Schema.Literal("crash"), projection, times: between(1, 4), attemptsMax }),
  Schema.Struct({ do: Schema.Literal("tick"), times: between(1, 4) }),
  Schema.Struct({ do: Schema.Literal("reclaim"), projection, attemptsMax }),
  Schema.Struct({ do: Schema.Literal("pause"), projection }),
  Schema.Struct({ do: Schema.Literal("resume"), projection }),
  Schema.Struct({ do: Schema.Literal("replay"), projection, status: Schema.Literals(["dead", "done"]) }),
  Schema.Struct({ do: Schema.Literal("replayOne"), projection, row: between(0, 20) }),
  Schema.Struct({ do: Schema.Literal("sweep"), projection })
])
export type Command = typeof Command.Type

export const settlementOf = (outcome: Outcome, id: number): ReadonlyArray<Settlement> => {
  switch (outcome) {
    case "done":
      return [{ _tag: "Done", id, outcome: "acked" }]
    case "superseded":
      return [{ _tag: "Done", id, outcome }]
    case "retry":
      return [{ _tag: "Retry", id, delayMs: 0, errorType: "es_429", detail: "busy" }]
    case "wait":
      return [{ _tag: "Retry", id, delayMs: retrySeconds * 1_000, errorType: "es_503", detail: "away" }]
    case "dead":
      return [{ _tag: "Dead", id, errorType: "es_mapping", detail: "no" }]
    case "release":
      return [{ _tag: "Release", id, delayMs: 0, why: null }]
    case "later":
      return [{
        _tag: "Release",
        id,
        delayMs: releaseSeconds * 1_000,
        why: { errorType: "es_connect", detail: "away" }
      }]
    case "nothing":
      return []
  }
}
