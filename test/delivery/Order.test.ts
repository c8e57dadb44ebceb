/** An ordered projection hears of an entity's changes in their order, whatever fails and whoever dies. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Random } from "effect"
import { TestClock } from "effect/testing"
import * as Turn from "../../src/delivery/Turn.ts"
import type { Delivery } from "../../src/outbox/Leases.ts"
import { changeOf, claim, commit, idInLane } from "../support/Changes.ts"
import * as ScriptedDestination from "../support/ScriptedDestination.ts"
import { withSeed } from "../support/Seeded.ts"
import * as Working from "../support/Working.ts"

const { failed, requested, written } = ScriptedDestination
const { leasesThat, rowsOf, start, store, working } = Working

const projection = "chronicle"
const options = { ...Working.options, projection, attemptsMax: 10 } as const
const runOnce = Turn.runOnce(options)

/** Tells of the rows in their order, and of none of an entity after one that failed; notes what was told. */
const telling = (fails: (row: Delivery) => Effect.Effect<boolean>) => {
  const told: Array<Delivery> = []
  const destination = requested((rows) =>
    Effect.gen(function*() {
      const stuck = new Set<string>()
      const outcomes = yield* Effect.forEach(rows, (row) =>
        Effect.map(fails(row), (hasFailed) => {
          if (hasFailed || stuck.has(row.entityId)) {
            stuck.add(row.entityId)
            return failed({ class: "transient" })
          }
          told.push(row)
          return written
        }))
      return { outcomes }
    })
  )
  return { destination, told }
}

const versionsOf = (told: ReadonlyArray<Delivery>, id: string) =>
  told.filter(({ entityId }) => entityId === id).map(({ version }) => version)

const changes = (id: ReturnType<typeof idInLane>, ...versions: ReadonlyArray<number>) =>
  commit(...versions.map((version) => changeOf({ id, version })))

describe("a change that fails in an ordered projection", () => {
  it.effect("holds back the later ones of its entity, and no others", () => {
    let isDown = true
    const [stuck, other, elsewhere] = [idInLane(1), idInLane(1), idInLane(2)]
    const { destination, told } = telling(({ entityId }) => Effect.sync(() => isDown && entityId === stuck))
    return Effect.gen(function*() {
      yield* changes(stuck, 1)
      yield* runOnce
      yield* changes(stuck, 2, 3)
      yield* changes(other, 1, 2)
      yield* changes(elsewhere, 1)
      for (let turn = 0; turn < 60; turn++) {
        yield* runOnce
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual([other, elsewhere].map((id) => versionsOf(told, id)), [[1, 2], [1]])
      assert.deepStrictEqual(versionsOf(told, stuck), [])
      isDown = false
      for (let turn = 0; turn < 70; turn++) {
        yield* runOnce
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(versionsOf(told, stuck), [1, 2, 3])
      assert.isTrue((yield* rowsOf(projection)).every(({ status }) => status === "done"))
    }).pipe(working(destination, { options }))
  })

  it.effect("frees them once it is buried", () => {
    const id = idInLane(1)
    const { destination, told } = telling(({ version }) => Effect.succeed(version === 1))
    return Effect.gen(function*() {
      yield* changes(id, 1, 2, 3)
      const { stop } = yield* start({ destination, options: { ...options, attemptsMax: 2 } })
      yield* TestClock.adjust("10 seconds")
      yield* changes(id, 4)
      yield* TestClock.adjust("3 minutes")
      const rows = yield* rowsOf(projection)
      assert.strictEqual(rows[0]!.status, "dead")
      assert.deepStrictEqual(
        versionsOf(told, id),
        rows.flatMap(({ entity_version, status }) => status === "done" ? [entity_version] : [])
      )
      yield* stop
    }).pipe(store)
  })
})

/** One run: workers that come and go, crash and fail by chance, while changes are written. */
const anyRun = Effect.gen(function*() {
  const ids = [1, 1, 2, 3].map(idInLane)
  const versions = new Map<string, number>()
  let isCalm = false
  const { destination, told } = telling(() => Effect.map(Random.next, (chance) => !isCalm && chance < 0.3))
  const slow = { ...options, batchSize: 3, concurrency: 2 }
  // Now and then a worker dies between its write and its settlement.
  const ports = leasesThat(({ settle }) => ({
    settle: (...args) =>
      Effect.flatMap(Random.next, (chance) => !isCalm && chance < 0.2 ? Effect.die("killed") : settle(...args))
  }))
  for (let round = 0; round < 12; round++) {
    const { stop } = yield* start({ destination, ports, options: slow }, `w-${round}`)
    for (const id of ids) {
      if ((yield* Random.next) < 0.4) continue
      const version = (versions.get(id) ?? 0) + 1
      versions.set(id, version)
      yield* changes(id, version)
    }
    // Somebody takes a few rows and is never heard of again.
    if ((yield* Random.next) < 0.4) yield* claim({ projection, worker: "w-killed", limit: 3 })
    yield* TestClock.adjust(yield* Random.nextIntBetween(1, 40_000))
    yield* stop
  }
  isCalm = true
  const { stop } = yield* start({ destination, options: slow })
  yield* TestClock.adjust("10 minutes")
  yield* stop
  const rows = yield* rowsOf(projection)
  for (const id of ids) {
    const buried = rows.filter((row) => row.entity_id === id && row.status === "dead").map((row) => row.entity_version)
    const first = [...new Set(versionsOf(told, id))]
    assert.deepStrictEqual(first, first.toSorted((a, b) => a - b), "in their order")
    const all = Array.from({ length: versions.get(id) ?? 0 }, (_, at) => at + 1)
    assert.sameMembers([...new Set([...first, ...buried])], all, "all of them")
  }
}).pipe(store, Effect.provide(Logger.layer([])))

describe("an ordered projection", () => {
  for (let run = 0; run < 6; run++) {
    it(`hears of every change once it may, in the order of its entity: ${run}`, () =>
      withSeed((random) =>
        Effect.runPromise(
          anyRun.pipe(Random.withSeed(random.int(0, 1_000_000_000)), Effect.provide(TestClock.layer()))
        )
      ))
  }
})
