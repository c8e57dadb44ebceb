/** What every store promises of claims, leases and settlements: P-01 to P-03 and P-08. */
import { assert, layer, type Vitest } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import type { Leases, Settlement } from "../../src/outbox/Leases.ts"
import type { Outbox } from "../../src/outbox/Outbox.ts"
import { OutboxReport } from "../../src/outbox/OutboxReport.ts"
import type { Transaction } from "../../src/outbox/Transaction.ts"
import { attemptsOf, type Backstage, fresh, passTime } from "../support/Backstage.ts"
import * as Changes from "../support/Changes.ts"

const { changeOf, claim, commit, commitMany, dead, done, extend, idsOf, reclaim, release, retry, settle, superseded } =
  Changes

type Needs = Leases | Outbox | OutboxReport | Transaction | Backstage
type It = Vitest.MethodsNonLive<Needs>

const eventOf = (id: number) =>
  OutboxReport.use((report) =>
    Effect.map(
      report.events({ projection: "search" }, 100, undefined),
      ({ items }) => items.find((event) => event.id === id)!
    )
  )

/** Commits one change and claims it. */
const oneClaimed = Effect.map(Effect.andThen(commit(changeOf()), claim()), (batch) => ({ batch, id: idsOf(batch)[0]! }))

/** Its lease ended, another worker has it now. */
const takenOver = Effect.gen(function*() {
  const { batch: old, id } = yield* oneClaimed
  yield* passTime("31 seconds")
  yield* reclaim()
  return { old, id, now: yield* claim({ worker: "w2" }) }
})

const claims = (it: It) => {
  it.effect("gives each row to one of many who claim at once", () =>
    Effect.gen(function*() {
      yield* commitMany(60)
      const workers = Array.from({ length: 12 }, (_, at) => `w${at}`)
      const batches = yield* Effect.forEach(workers, (worker) => claim({ worker, limit: 7 }), {
        concurrency: "unbounded"
      })
      const rest = yield* claim()
      const ids = [...batches, rest].flatMap(idsOf)
      assert.strictEqual(new Set(ids).size, ids.length)
      assert.strictEqual(ids.length, 60)
      assert.strictEqual(new Set(batches.map(({ token }) => token)).size, batches.length)
    }).pipe(fresh))

  it.effect("claims the oldest first and no more than the limit", () =>
    Effect.gen(function*() {
      const changes = yield* commitMany(9)
      const first = yield* claim({ limit: 4 })
      const second = yield* claim({ limit: 4 })
      const claimed = [first, second].map((batch) => batch.deliveries.map(({ entityId }) => entityId))
      assert.deepStrictEqual(
        claimed,
        [changes.slice(0, 4), changes.slice(4, 8)].map((part) => part.map(({ id }) => id))
      )
      assert.strictEqual((yield* claim()).deliveries.length, 1)
      assert.deepStrictEqual((yield* claim()).deliveries, [])
    }).pipe(fresh))

  it.effect("gives rows that waited out their back-off before newer ones", () =>
    Effect.gen(function*() {
      const { batch, id } = yield* oneClaimed
      yield* settle(batch, retry(id, 10_000))
      yield* commitMany(3)
      yield* passTime("11 seconds")
      assert.deepStrictEqual(idsOf(yield* claim({ limit: 1 })), [id])
    }).pipe(fresh))

  it.effect("keeps the projections apart", () =>
    Effect.gen(function*() {
      yield* commitMany(2)
      assert.strictEqual((yield* claim()).deliveries.length, 2)
      assert.deepStrictEqual((yield* claim({ projection: "realtime" })).deliveries, [])
      assert.strictEqual((yield* claim({ projection: "chronicle" })).deliveries.length, 2)
    }).pipe(fresh))

  it.effect("tells all that was written", () =>
    Effect.gen(function*() {
      const change = changeOf({ kind: "block", version: 7, op: "delete" })
      yield* commit(change).pipe(Changes.tracedAs(context), Changes.requestedAs("r-1", "ann"))
      const { claimedAt, deliveries: [delivery], worker } = yield* claim({ projection: "chronicle", worker: "w7" })
      assert.strictEqual(worker, "w7")
      assert.deepInclude(delivery, {
        kind: "block",
        entityId: change.id,
        version: 7,
        op: "delete",
        attempt: 1,
        trace: context,
        requestId: "r-1",
        actor: "ann",
        reclaimed: false
      })
      assert.deepStrictEqual(delivery!.fields, change.fields)
      assert.isAtMost(delivery!.createdAt, claimedAt)
      assert.closeTo(delivery!.waitingSince, delivery!.createdAt, 1_000_000)
      assert.closeTo(delivery!.readyAt, delivery!.waitingSince, 1_000_000)
    }).pipe(fresh))
}

const leases = (it: It) => {
  it.effect("does not give away what is leased", () =>
    Effect.gen(function*() {
      const { id } = yield* oneClaimed
      yield* passTime("29 seconds")
      assert.deepStrictEqual(yield* reclaim(), [])
      assert.deepStrictEqual(idsOf(yield* claim({ worker: "w2" })), [])
      assert.deepInclude(yield* eventOf(id), { status: "processing", lease_owner: "w1", attempts: 1 })
    }).pipe(fresh))

  it.effect("gives an expired row to the next claimer, and refuses the late settlement", () =>
    Effect.gen(function*() {
      const { id, now, old } = yield* takenOver
      assert.deepInclude(now.deliveries[0], { id, attempt: 2, reclaimed: true })
      const before = yield* eventOf(id)
      const late: ReadonlyArray<Settlement> = [done(id), superseded(id), retry(id), dead(id), release(id)]
      for (const settlement of late) assert.deepStrictEqual(yield* settle(old, settlement), [], settlement._tag)
      assert.deepStrictEqual(yield* eventOf(id), before)
      assert.deepStrictEqual(yield* settle(now, done(id)), [id])
      assert.deepStrictEqual((yield* attemptsOf(id)).map(({ outcome }) => outcome), ["lease_lost", "acked"])
    }).pipe(fresh))

  it.effect("refuses a settlement after the lease has ended, though nobody has taken the row yet", () =>
    Effect.gen(function*() {
      const { batch, id } = yield* oneClaimed
      yield* passTime("31 seconds")
      const before = yield* eventOf(id)
      for (const settlement of [done(id), retry(id), dead(id), release(id)]) {
        assert.deepStrictEqual(yield* settle(batch, settlement), [], settlement._tag)
      }
      assert.deepStrictEqual(yield* eventOf(id), before)
      assert.deepStrictEqual(yield* attemptsOf(id), [])
    }).pipe(fresh))

  it.effect("tells the same worker's claims apart", () =>
    Effect.gen(function*() {
      const { batch, id } = yield* oneClaimed
      yield* passTime("31 seconds")
      yield* reclaim()
      const again = yield* claim({ worker: batch.worker })
      assert.deepStrictEqual(yield* settle(batch, done(id)), [])
      assert.deepStrictEqual(yield* settle(again, done(id)), [id])
    }).pipe(fresh))

  it.effect("lengthens only what is still held", () =>
    Effect.gen(function*() {
      yield* commitMany(3)
      const batch = yield* claim()
      const [first, ...rest] = idsOf(batch)
      yield* settle(batch, done(first!))
      yield* passTime("20 seconds")
      assert.deepStrictEqual([...yield* extend(batch)].toSorted((a, b) => a - b), rest)
      yield* passTime("20 seconds")
      assert.deepStrictEqual(yield* reclaim(), [])
      assert.deepStrictEqual(yield* settle(batch, ...rest.map(done)), rest)
    }).pipe(fresh))

  it.effect("does not bring an ended lease back to life", () =>
    Effect.gen(function*() {
      const { batch, id } = yield* oneClaimed
      yield* passTime("31 seconds")
      assert.strictEqual((yield* extend(batch)).size, 0)
      assert.deepStrictEqual((yield* reclaim()).map((lost) => lost.id), [id])
    }).pipe(fresh))

  it.effect("does not lengthen the lease of who has it now for who had it", () =>
    Effect.gen(function*() {
      const { id, old } = yield* takenOver
      yield* passTime("20 seconds")
      assert.strictEqual((yield* extend(old)).size, 0)
      yield* passTime("11 seconds")
      assert.deepStrictEqual((yield* reclaim()).map((lost) => lost.id), [id])
    }).pipe(fresh))
}

const settling = (it: It) => {
  it.effect("settles every row of a batch by its own outcome", () =>
    Effect.gen(function*() {
      yield* commitMany(6)
      const batch = yield* claim()
      const [a, b, c, d, e, unsettled] = idsOf(batch) as [number, number, number, number, number, number]
      const held = yield* settle(batch, done(a), superseded(b), retry(c, 60_000), dead(d), release(e))
      assert.deepStrictEqual(held, [a, b, c, d, e])
      const status = (id: number) =>
        Effect.map(eventOf(id), (event) => [event.status, event.attempts, event.error_type])
      assert.deepStrictEqual(yield* Effect.forEach([a, b, c, d, e, unsettled], status), [
        ["done", 1, null],
        ["done", 1, null],
        ["pending", 1, "es_429"],
        ["dead", 1, "es_mapping"],
        ["pending", 0, null],
        ["processing", 1, null]
      ])
      const records = yield* Effect.forEach([a, b, c, d, e, unsettled], attemptsOf)
      const outcomes = records.map((record) => record.map(({ outcome }) => outcome))
      assert.deepStrictEqual(outcomes, [["acked"], ["superseded"], ["retry_scheduled"], ["dead_lettered"], [], []])
      assert.deepInclude(records[3]![0], { projection: "search", attempt: 1, worker: "w1", error_type: "es_mapping" })
    }).pipe(fresh))

  it.effect("leaves no owner and no lease on what has ended or waits", () =>
    Effect.gen(function*() {
      yield* commitMany(4)
      const batch = yield* claim()
      const [a, b, c, d] = idsOf(batch) as [number, number, number, number]
      yield* settle(batch, done(a), retry(b, 60_000), dead(c), release(d))
      for (const id of [a, b, c, d]) {
        const { lease_owner, lease_until, next_attempt_at, processed_at, status } = yield* eventOf(id)
        assert.isNull(lease_owner)
        assert.isNull(lease_until)
        assert.strictEqual(processed_at === null, status === "pending")
        assert.strictEqual(next_attempt_at === null, status !== "pending")
      }
    }).pipe(fresh))

  it.effect("settles nothing twice", () =>
    Effect.gen(function*() {
      yield* commitMany(4)
      const batch = yield* claim()
      const [a, b, c, d] = idsOf(batch) as [number, number, number, number]
      const all = [done(a), retry(b), dead(c), release(d)]
      assert.strictEqual((yield* settle(batch, ...all)).length, 4)
      for (const settlement of all) assert.deepStrictEqual(yield* settle(batch, settlement), [])
      assert.deepStrictEqual(yield* settle(batch), [])
    }).pipe(fresh))

  it.effect("never settles a row of another claim", () =>
    Effect.gen(function*() {
      yield* commitMany(2)
      const [mine, other] = [yield* claim({ limit: 1 }), yield* claim({ limit: 1, worker: "w2" })]
      const [id] = idsOf(other) as [number]
      assert.deepStrictEqual(yield* settle(mine, done(id), ...idsOf(mine).map(done)), idsOf(mine))
      assert.deepInclude(yield* eventOf(id), { status: "processing", lease_owner: "w2" })
    }).pipe(fresh))

  it.effect("does not give a row out before its back-off has ended", () =>
    Effect.gen(function*() {
      const { batch, id } = yield* oneClaimed
      yield* settle(batch, retry(id, 40_000))
      yield* passTime("39 seconds")
      assert.deepStrictEqual(idsOf(yield* claim()), [])
      yield* passTime("2 seconds")
      const [again] = (yield* claim()).deliveries
      assert.deepInclude(again, { id, attempt: 2, reclaimed: false })
      assert.closeTo(again!.readyAt - again!.waitingSince, 40_000_000, 1_000_000)
    }).pipe(fresh))

  it.effect("counts every attempt but one that was given back", () =>
    Effect.gen(function*() {
      yield* commit(changeOf())
      const counted: Array<number> = []
      for (const settlement of [retry, release, release, retry, dead]) {
        const batch = yield* claim()
        counted.push(batch.deliveries[0]!.attempt)
        yield* settle(batch, settlement(idsOf(batch)[0]!))
      }
      assert.deepStrictEqual(counted, [1, 2, 2, 2, 3])
    }).pipe(fresh))
}

const context = {
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
  tracestate: "vendor=abc,other@tenant=1"
}

export const suite = <E>(options: {
  readonly name: string
  readonly layer: Layer.Layer<Needs, E>
  /** The store runs by the real clock. */
  readonly excludeTestServices?: boolean
}) =>
  layer(options.layer, { excludeTestServices: options.excludeTestServices ?? false })(
    `Leases (${options.name})`,
    (it) => [claims, leases, settling].forEach((part) => part(it))
  )
