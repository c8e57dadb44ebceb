/** What every store knows of a change and of those who should have told of it. */
import { assert, type Vitest } from "@effect/vitest"
import { Effect } from "effect"
import type { Asked } from "../../src/explain/Asked.ts"
import { ExplainFacts, rowKey, rowOf } from "../../src/explain/Facts.ts"
import { Leases } from "../../src/outbox/Leases.ts"
import type { Outbox } from "../../src/outbox/Outbox.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import { ProjectionControl } from "../../src/outbox/ProjectionControl.ts"
import type { Transaction } from "../../src/outbox/Transaction.ts"
import { type Backstage, fresh, passTime } from "../support/Backstage.ts"
import * as Changes from "../support/Changes.ts"
import { suiteOf } from "./Suite.ts"

const { changeOf, claim, commit, dead, done, idInLane, idsOf, newId, retry, settle } = Changes

type Needs = Leases | Outbox | ProjectionControl | Transaction | Backstage | ExplainFacts
type It = Vitest.MethodsNonLive<Needs>

const gather = (asked: Asked) => ExplainFacts.use((facts) => facts.gather(asked))

const changeFor = (id: ReturnType<typeof newId>) =>
  Effect.map(gather({ by: "tag", id }), ({ changes }) => {
    assert.lengthOf(changes, 1)
    return changes[0]!
  })

const rowFor = Effect.fnUntraced(function*(id: ReturnType<typeof newId>, projection: Projection = "search") {
  const change = yield* changeFor(id)
  const row = rowOf(change, projection)!
  return { row, details: change.details.get(rowKey(row))! }
})

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
const traceId = traceparent.slice(3, 35)

const rows = (it: It) => {
  it.effect("shows a row where it is: fresh, in flight, waiting, done, dead", () =>
    Effect.gen(function*() {
      const change = changeOf()
      yield* commit(change)
      assert.deepInclude((yield* rowFor(change.id)).row, { state: "fresh", version: 1, claim: null, attempts: 0 })
      const first = yield* claim({ worker: "w7" })
      const { claim: held } = (yield* rowFor(change.id)).row
      assert.strictEqual(held?.worker, "w7")
      assert.isAbove(held!.until, held!.claimedAt)
      yield* settle(first, retry(idsOf(first)[0]!, 60_000))
      const { details, row } = yield* rowFor(change.id)
      assert.deepInclude(row, { state: "waiting", attempts: 1, errorType: "es_429", claim: null })
      assert.strictEqual(details.attempts.length, 1)
      assert.closeTo(details.attempts[0]!.dueAt! - details.attempts[0]!.endedAt, 60e6, 5e6)
      yield* passTime("2 minutes")
      const second = yield* claim()
      yield* settle(second, dead(idsOf(second)[0]!))
      const buried = yield* rowFor(change.id)
      assert.deepInclude(buried.row, { state: "dead", attempts: 2, errorType: "es_mapping" })
      assert.deepStrictEqual(buried.details.attempts.map(({ outcome }) => outcome), [
        "retry_scheduled",
        "dead_lettered"
      ])
    }).pipe(fresh))

  it.effect("tells how long an attempt loaded and how long its engine took", () =>
    Effect.gen(function*() {
      const change = changeOf()
      yield* commit(change)
      const batch = yield* claim()
      const spent = { loadMs: 1.5, engineMs: 120.25 }
      yield* Leases.use((leases) => leases.settle(batch, [done(idsOf(batch)[0]!)], spent))
      const { details, row } = yield* rowFor(change.id)
      assert.strictEqual(row.state, "done")
      assert.deepInclude(details.attempts[0], { outcome: "acked", worker: "w1", ...spent })
    }).pipe(fresh))

  it.effect("says which batch has a row's lane, and which earlier row of its entity it waits for", () =>
    Effect.gen(function*() {
      const [one, other] = [idInLane(3), idInLane(3)]
      yield* commit(changeOf({ id: one }))
      const batch = yield* claim({ worker: "w7", projection: "chronicle" })
      yield* commit(changeOf({ id: other }), changeOf({ id: one, version: 2 }))
      assert.strictEqual((yield* rowFor(other, "chronicle")).row.laneClaim?.worker, "w7")
      yield* settle(batch, retry(idsOf(batch)[0]!, 60_000))
      const { details } = yield* rowFor(one, "chronicle")
      assert.deepInclude(details.earlier, { id: idsOf(batch)[0]!, version: 1 })
      assert.isNull((yield* rowFor(other, "chronicle")).details.earlier)
      assert.isNull((yield* rowFor(other, "chronicle")).row.laneClaim)
    }).pipe(fresh))

  it.effect("counts the rows before one that waits, and those that were before one that is done", () =>
    Effect.gen(function*() {
      yield* Changes.commitMany(5)
      const last = changeOf()
      yield* commit(last)
      assert.strictEqual((yield* rowFor(last.id)).details.ahead, 5)
      yield* passTime("1 second")
      const batch = yield* claim()
      yield* settle(batch, ...idsOf(batch).map(done))
      assert.strictEqual((yield* rowFor(last.id)).details.ahead, 5)
    }).pipe(fresh))

  it.effect("takes a later row for one that is buried, and the version's own otherwise", () =>
    Effect.gen(function*() {
      const id = newId()
      yield* commit(changeOf({ id }))
      const batch = yield* claim()
      yield* settle(batch, dead(idsOf(batch)[0]!))
      yield* commit(changeOf({ id, version: 2 }))
      const all = yield* gather({ by: "event", projection: "search", id: idsOf(batch)[0]! })
      const change = all.changes[0]!
      assert.strictEqual(rowOf(change, "search")?.state, "dead")
      assert.strictEqual(rowOf({ ...change, event: null }, "search")?.version, 2)
      assert.strictEqual(rowOf({ ...change, event: null }, "chronicle")?.version, 1)
    }).pipe(fresh))
}

const finding = (it: It) => {
  it.effect("finds the changes of a request and of a trace, and no others", () =>
    Effect.gen(function*() {
      const mine = [changeOf(), changeOf()]
      yield* commit(...mine).pipe(
        Changes.tracedAs({ traceparent, tracestate: null }),
        Changes.requestedAs("r-1"),
        Effect.withSpan("request")
      )
      yield* commit(changeOf()).pipe(Changes.requestedAs("r-2"))
      const ids = mine.map(({ id }) => id).toSorted()
      const idsBy = (asked: Asked) => Effect.map(gather(asked), ({ changes }) => changes.map(({ id }) => id).toSorted())
      assert.deepStrictEqual(yield* idsBy({ by: "request_id", value: "r-1" }), ids)
      assert.deepStrictEqual(yield* idsBy({ by: "trace_id", value: traceId }), ids)
      assert.deepStrictEqual(yield* idsBy({ by: "request_id", value: "r-3" }), [])
      const batch = yield* claim()
      yield* settle(batch, ...idsOf(batch).map(done))
      assert.deepStrictEqual(yield* idsBy({ by: "trace_id", value: traceId }), ids)
    }).pipe(fresh))

  it.effect("finds by its trace what only search was told of, while it waits and when it is done", () =>
    Effect.gen(function*() {
      const change = changeOf()
      yield* Changes.commitTo("search", change).pipe(
        Changes.tracedAs({ traceparent, tracestate: null }),
        Effect.withSpan("repair")
      )
      const found = Effect.map(
        gather({ by: "trace_id", value: traceId }),
        ({ changes }) => changes.map(({ id }) => id)
      )
      assert.deepStrictEqual(yield* found, [change.id])
      const batch = yield* claim()
      yield* settle(batch, ...idsOf(batch).map(done))
      assert.deepStrictEqual(yield* found, [change.id])
    }).pipe(fresh))

  it.effect("shows a bounded part of a large request, and says that there is more", () =>
    Effect.gen(function*() {
      yield* commit(...Array.from({ length: 30 }, () => changeOf())).pipe(Changes.requestedAs("r-1"))
      const { changes, more } = yield* gather({ by: "request_id", value: "r-1" })
      assert.lengthOf(changes, 20)
      assert.isTrue(more)
    }).pipe(fresh))

  it.effect("knows nothing of what is not there", () =>
    Effect.gen(function*() {
      for (const by of ["tag", "library", "block"] as const) {
        assert.deepStrictEqual((yield* gather({ by, id: newId() })).changes, [])
      }
      assert.deepStrictEqual((yield* gather({ by: "event", projection: "search", id: 999_999_999 })).changes, [])
    }).pipe(fresh))
}

const system = (it: It) => {
  it.effect("tells how each projection is doing", () =>
    Effect.gen(function*() {
      const search = Effect.map(gather({ by: "tag", id: newId() }), ({ projections }) => projections[0]!)
      assert.deepInclude(yield* search, { projection: "search", pausedAt: null, oldestAgeMs: 0, recent: null })
      yield* Changes.commitMany(2, 1)
      yield* passTime("10 seconds")
      assert.closeTo((yield* search).oldestAgeMs, 10_000, 2_000)
      const batch = yield* claim()
      const [one, two] = idsOf(batch) as [number, number]
      yield* Leases.use((leases) => leases.settle(batch, [done(one)], { loadMs: 1, engineMs: 40 }))
      yield* settle(batch, retry(two, 60_000))
      yield* ProjectionControl.use((control) => control.pause("search", "a reason"))
      const after = yield* search
      assert.strictEqual(after.pausedReason, "a reason")
      assert.strictEqual(after.recent?.rows, 1)
      assert.closeTo(after.recent!.lagP50Ms, 10_000, 2_000)
      assert.closeTo(after.recent!.engineP50Ms!, 40, 0.1)
      assert.deepStrictEqual(after.failures, { throttled: 1, lost: 0, other: 0 })
    }).pipe(fresh))
}

export const suite = suiteOf<Needs>("ExplainFacts", [rows, finding, system])
