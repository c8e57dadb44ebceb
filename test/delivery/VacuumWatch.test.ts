/** Whoever holds back vacuum shows in a gauge at every look, and in the log once per holder. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Metric, Option, Ref } from "effect"
import * as VacuumWatch from "../../src/delivery/VacuumWatch.ts"
import { type Holder, OldestTransaction } from "../../src/outbox/OldestTransaction.ts"
import { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"

const holder = (pid: number, age_seconds: number | null, age_transactions = 0): Holder => ({
  kind: "session",
  pid,
  name: null,
  application_name: "psql",
  user: "x",
  state: "idle in transaction",
  age_seconds,
  age_transactions,
  catalogs_only: false
})

/** A watch over what `finds` says, and the warnings of each of its looks. */
const watched = Effect.gen(function*() {
  const found = yield* Ref.make<Effect.Effect<Option.Option<Holder>, StoreUnavailable>>(Effect.succeedNone)
  const { sample } = yield* VacuumWatch.make(60).pipe(
    Effect.provideService(OldestTransaction, OldestTransaction.of({ look: Effect.flatten(Ref.get(found)) }))
  )
  return (finds: Holder | undefined | StoreUnavailable) =>
    Effect.gen(function*() {
      const lines: Array<ReadonlyArray<unknown>> = []
      const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
        lines.push([logLevel, ...(message as ReadonlyArray<unknown>)])
      })
      yield* Ref.set(
        found,
        finds instanceof StoreUnavailable ? Effect.fail(finds) : Effect.succeed(Option.fromUndefinedOr(finds))
      )
      yield* Effect.ignore(sample).pipe(Effect.provide(Logger.layer([logger])))
      return lines
    })
})

const gauge = Effect.map(Metric.value(Metrics.oldestTransactionAge.metric), ({ value }) => value)

describe("the watch over vacuum", () => {
  it.effect("shows the age of the oldest transaction, and 0 where there is none or none is known", () =>
    Effect.gen(function*() {
      const look = yield* watched
      yield* look(holder(1, 12.5))
      assert.strictEqual(yield* gauge, 12.5)
      yield* look(new StoreUnavailable({ cause: new Error("away") }))
      assert.strictEqual(yield* gauge, 12.5)
      yield* look(undefined)
      assert.strictEqual(yield* gauge, 0)
      yield* look(holder(1, null, 5))
      assert.strictEqual(yield* gauge, 0)
    }))

  it.effect("warns once when it crosses the limit, naming who it is and what it does", () =>
    Effect.gen(function*() {
      const look = yield* watched
      assert.deepStrictEqual(yield* look(holder(1, 59.9)), [])
      assert.deepStrictEqual(yield* look(holder(1, 60)), [[
        "Warn",
        "transaction of pid 1 (psql, user x) open for 60 s holds back vacuum: " +
        "claims keep their pace, but dead rows are not removed",
        {
          kind: "session",
          pid: 1,
          name: null,
          application_name: "psql",
          user: "x",
          state: "idle in transaction",
          age_seconds: 60,
          age_transactions: 0
        }
      ]])
      assert.deepStrictEqual(yield* look(holder(1, 75)), [])
    }))

  it.effect("warns again once the holder has changed, or has been gone, and not for a look that failed", () =>
    Effect.gen(function*() {
      const look = yield* watched
      const warnings = (finds: Parameters<typeof look>[0]) => Effect.map(look(finds), ({ length }) => length)
      assert.strictEqual(yield* warnings(holder(1, 60)), 1)
      assert.strictEqual(yield* warnings(new StoreUnavailable({ cause: new Error("away") })), 0)
      assert.strictEqual(yield* warnings(holder(1, 75)), 0)
      assert.strictEqual(yield* warnings(holder(2, 80)), 1)
      assert.strictEqual(yield* warnings(holder(2, 95)), 0)
      assert.strictEqual(yield* warnings(holder(2, 1)), 0)
      assert.strictEqual(yield* warnings(holder(2, 61)), 1)
      assert.strictEqual(yield* warnings(undefined), 0)
      assert.strictEqual(yield* warnings(holder(2, 61)), 1)
    }))
})
