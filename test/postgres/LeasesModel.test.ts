/**
 * Random histories of an outbox in a real PostgreSQL, each step compared with a small model, and all answers with those
 * of the store in memory: P-01 to P-05 and P-08.
 *
 * A failure is told as the shortest history found that still fails, and `SEED=…` does it again.
 */
import { assert, layer } from "@effect/vitest"
import { Arbitrary, Cause, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { idInLane } from "../support/Changes.ts"
import * as MemoryStores from "../support/MemoryStores.ts"
import { Command } from "../support/OutboxCommands.ts"
import { happened, history } from "../support/OutboxHistory.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

/** The first two share a lane. */
const entities = () => [3, 3, 4, 21].map(idInLane)

const inMemory = (commands: ReadonlyArray<Command>, ids: ReturnType<typeof entities>) =>
  Effect.provide(
    history(commands, ids, TestClock.adjust("1 millis")),
    Layer.merge(MemoryStores.layer, TestClock.layer())
  )

const alike = Effect.fnUntraced(function*(commands: ReadonlyArray<Command>) {
  const ids = entities()
  const memory = yield* inMemory(commands, ids)
  const postgres = yield* history(commands, ids, Effect.void)
  assert.deepStrictEqual(postgres, memory, "both stores answer the same")
  return true
})

const histories = Arbitrary.array(Arbitrary.schema(Command), { minLength: 1, maxLength: 50 })

layer(PostgresStores.layer, { excludeTestServices: true })("an outbox in PostgreSQL", (it) => {
  it.effect("answers as its model and as the store in memory in every history", () =>
    Effect.gen(function*() {
      const seed = process.env["SEED"] ?? crypto.randomUUID().slice(0, 8)
      const result = yield* Arbitrary.checkEffect(
        histories,
        (commands) => Effect.catchCause(alike(commands), (cause) => Effect.fail(Cause.pretty(cause))),
        { runs: 200, size: 50, maxShrinks: 200, seed }
      )
      const failure = Arbitrary.formatCheckFailure(result)
      if (failure !== undefined) assert.fail(`${failure}\nSEED=${seed}`)
      for (const [what, times] of Object.entries(happened)) {
        assert.isAbove(times, 0, `${what} in no history; SEED=${seed}`)
      }
    }), 300_000)
})
