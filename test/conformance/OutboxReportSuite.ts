/** What every store answers when people ask about its outboxes, and how finished rows become due again. */
import { assert, type Vitest } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import type { Leases } from "../../src/outbox/Leases.ts"
import type { Outbox } from "../../src/outbox/Outbox.ts"
import { type EventFilter, type OutboxEvent, OutboxReport, type ReplayFilter } from "../../src/outbox/OutboxReport.ts"
import type { Transaction } from "../../src/outbox/Transaction.ts"
import { attemptsOf, type Backstage, fresh, passTime } from "../support/Backstage.ts"
import * as Changes from "../support/Changes.ts"
import { damaged } from "../support/Cursors.ts"
import { suiteOf } from "./Suite.ts"

const { changeOf, claim, commit, commitMany, dead, done, idsOf, newId, retry, settle } = Changes

type Needs = Leases | Outbox | OutboxReport | Transaction | Backstage
type It = Vitest.MethodsNonLive<Needs>

const statsOf = (projection: "search" | "chronicle" | "realtime") =>
  OutboxReport.use((report) => Effect.map(report.stats, (all) => all.find((stats) => stats.projection === projection)!))

const events = (filter: EventFilter, limit = 100, cursor?: string) =>
  OutboxReport.use((report) => report.events(filter, limit, cursor))

const replay = (filter: ReplayFilter) => OutboxReport.use((report) => report.replay(filter))

/** All pages of `limit` rows; a paging that never ends is cut off. */
const paged = Effect.fnUntraced(function*(filter: EventFilter, limit: number) {
  const visited: Array<OutboxEvent> = []
  let cursor: string | undefined
  for (let page = 0; page < 50; page++) {
    const { items, next_cursor } = yield* events(filter, limit, cursor)
    assert.isAtMost(items.length, limit)
    visited.push(...items)
    if (next_cursor === null) return visited
    cursor = next_cursor
  }
  return assert.fail("the pages never end")
})

const keyOf = ({ id, projection }: { readonly projection: string; readonly id: number }) => `${projection}/${id}`

/** One row each that is dead, done, waiting, leased and new: their ids in that order. */
const oneOfEach = Effect.gen(function*() {
  yield* commitMany(3)
  const batch = yield* claim()
  const [a, b, c] = idsOf(batch) as [number, number, number]
  yield* settle(batch, dead(a), done(b), retry(c, 60_000))
  yield* commit(changeOf())
  const [leased] = idsOf(yield* claim()) as [number]
  yield* commit(changeOf())
  const pending = (yield* events({ projection: "search", status: "pending" })).items.map(({ id }) => id)
  return [a, b, c, leased, Math.max(...pending)] as const
})

const counting = (it: It) => {
  it.effect("counts what waits, is worked on, done and dead, each outbox by itself", () =>
    Effect.gen(function*() {
      yield* oneOfEach
      assert.deepInclude(yield* statsOf("search"), { pending: 2, processing: 1, done: 1, dead: 1 })
      assert.deepInclude(yield* statsOf("chronicle"), { pending: 5, processing: 0, done: 0, dead: 0 })
      assert.deepInclude(yield* statsOf("realtime"), { pending: 0, oldest_pending_age_seconds: 0 })
    }).pipe(fresh))

  it.effect("tells the age of the oldest that waits, also while it waits to be tried again", () =>
    Effect.gen(function*() {
      yield* commitMany(1, 2)
      yield* passTime("100 seconds")
      yield* commitMany(1, 2)
      assert.closeTo((yield* statsOf("search")).oldest_pending_age_seconds, 100, 5)
      const batch = yield* claim({ limit: 1 })
      assert.closeTo((yield* statsOf("search")).oldest_pending_age_seconds, 0, 5)
      yield* settle(batch, retry(idsOf(batch)[0]!, 60_000))
      assert.closeTo((yield* statsOf("search")).oldest_pending_age_seconds, 100, 5)
    }).pipe(fresh))

  it.effect("tells how long changes took from commit to settlement", () =>
    Effect.gen(function*() {
      for (let each = 0; each < 4; each++) {
        yield* commit(changeOf())
        yield* passTime("10 seconds")
      }
      const batch = yield* claim()
      yield* settle(batch, ...idsOf(batch).map(done))
      const { lag_seconds: { p50, p95, p99 } } = yield* statsOf("search")
      assert.closeTo(p50, 25, 1)
      assert.closeTo(p95, 38.5, 1)
      assert.closeTo(p99, 39.7, 1)
    }).pipe(fresh))
}

const listing = (it: It) => {
  it.effect("shows a row as it stands", () =>
    Effect.gen(function*() {
      const [buried, finished, waiting, leased, fresh] = yield* oneOfEach
      const all = new Map((yield* events({ projection: "search" })).items.map((event) => [event.id, event]))
      assert.deepInclude(all.get(buried), { status: "dead", error_type: "es_mapping", error_detail: "no", attempts: 1 })
      assert.deepInclude(all.get(finished), { status: "done", error_type: null, attempts: 1 })
      assert.deepInclude(all.get(waiting), {
        status: "pending",
        error_type: "es_429",
        error_detail: "busy",
        attempts: 1
      })
      assert.deepInclude(all.get(leased), { status: "processing", lease_owner: "w1", attempts: 1 })
      assert.deepInclude(all.get(fresh), { status: "pending", error_type: null, attempts: 0, processed_at: null })
      const { created_at, lease_until, next_attempt_at } = all.get(leased)!
      assert.closeTo(secondsBetween(created_at, lease_until!), 30, 5)
      assert.closeTo(secondsBetween(created_at, next_attempt_at!), 0, 5)
      assert.closeTo(secondsBetween(created_at, all.get(waiting)!.next_attempt_at!), 60, 5)
    }).pipe(fresh))

  it.effect("finds rows by projection, status, entity and trace, alone and together", () =>
    Effect.gen(function*() {
      const change = changeOf({ id: Changes.idInLane(2) })
      yield* commit(change).pipe(Changes.tracedAs(context))
      yield* commitMany(2, 2)
      const batch = yield* claim({ limit: 1 })
      yield* settle(batch, done(idsOf(batch)[0]!))
      const found = (filter: EventFilter) => Effect.map(events(filter), ({ items }) => items.length)
      const trace_id = context.traceparent.slice(3, 35)
      assert.strictEqual(yield* found({}), 6)
      assert.strictEqual(yield* found({ projection: "chronicle" }), 3)
      assert.strictEqual(yield* found({ status: "pending" }), 5)
      assert.strictEqual(yield* found({ entity_id: change.id }), 2)
      assert.strictEqual(yield* found({ trace_id }), 2)
      assert.strictEqual(yield* found({ trace_id, status: "done" }), 1)
      assert.strictEqual(yield* found({ trace_id, entity_id: change.id, projection: "search", status: "done" }), 1)
      assert.strictEqual(yield* found({ trace_id, projection: "search", status: "pending" }), 0)
      assert.strictEqual(yield* found({ entity_id: newId() }), 0)
    }).pipe(fresh))

  it.effect("finds rows by what they failed with", () =>
    Effect.gen(function*() {
      yield* commitMany(4)
      const batch = yield* claim({ limit: 3 })
      const [a, b, c] = idsOf(batch) as [number, number, number]
      yield* settle(batch, dead(a, "es_4xx"), dead(b), retry(c, 60_000))
      const found = (filter: EventFilter) => Effect.map(events(filter), ({ items }) => items.map(({ id }) => id))
      assert.deepStrictEqual(yield* found({ error_type: "es_4xx" }), [a])
      assert.deepStrictEqual(yield* found({ error_type: "es_mapping", status: "dead", projection: "search" }), [b])
      assert.deepStrictEqual(yield* found({ error_type: "es_429" }), [c])
      assert.deepStrictEqual(yield* found({ error_type: "es_429", status: "dead" }), [])
    }).pipe(fresh))

  it.effect("visits every row once, newest first, page after page", () =>
    Effect.gen(function*() {
      yield* commitMany(7)
      yield* passTime("1 second")
      const batch = yield* claim({ limit: 4 })
      const [a, b] = idsOf(batch) as [number, number]
      yield* settle(batch, done(a), dead(b))
      yield* commitMany(4)
      for (const filter of [{}, { projection: "search" }, { status: "pending" }] as const) {
        const whole = (yield* events(filter)).items
        const ages = whole.map(({ created_at }) => DateTime.toEpochMillis(created_at))
        assert.deepStrictEqual(ages, ages.toSorted((one, other) => other - one))
        for (const limit of [1, 3, 4, whole.length]) {
          assert.deepStrictEqual((yield* paged(filter, limit)).map(keyOf), whole.map(keyOf))
        }
      }
      assert.strictEqual(new Set((yield* paged({}, 3)).map(keyOf)).size, 22)
    }).pipe(fresh))

  it.effect("visits every row once although rows finish meanwhile", () =>
    Effect.gen(function*() {
      yield* commitMany(6)
      const first = yield* events({ projection: "search" }, 3)
      const batch = yield* claim({ limit: 5 })
      yield* settle(batch, ...idsOf(batch).map(done))
      const rest = yield* events({ projection: "search" }, 3, first.next_cursor!)
      assert.strictEqual(new Set([...first.items, ...rest.items].map(keyOf)).size, 6)
      assert.isNull(rest.next_cursor)
    }).pipe(fresh))

  it.effect("refuses a cursor that it did not give out", () =>
    Effect.gen(function*() {
      yield* commitMany(2)
      const own = (yield* events({}, 1)).next_cursor!
      assert.strictEqual((yield* events({}, 100, own)).items.length, 3)
      const foreign = [{}, { search: "1" }, { search: 1e300 }, { search: 1, more: 2 }, { at: 1, seq: 1 }, null]
      for (const cursor of damaged(own, ...foreign)) {
        assert.strictEqual((yield* Effect.flip(events({}, 100, cursor)))._tag, "CursorInvalid", cursor)
      }
    }).pipe(fresh))
}

const secondsBetween = (from: DateTime.Utc, to: DateTime.Utc) =>
  (DateTime.toEpochMillis(to) - DateTime.toEpochMillis(from)) / 1_000

const context = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", tracestate: null }

/** Fails or finishes one new row, and answers its id. */
const settledAs = Effect.fnUntraced(function*(settlement: (id: number) => ReturnType<typeof done>) {
  yield* commit(changeOf())
  const batch = yield* claim()
  const [id] = idsOf(batch) as [number]
  yield* settle(batch, settlement(id))
  return id
})

const replaying = (it: It) => {
  it.effect("makes dead rows due again, with their attempts at zero and their history kept", () =>
    Effect.gen(function*() {
      const id = yield* settledAs(dead)
      assert.strictEqual(yield* replay({ projection: "search" }), 1)
      const [event] = (yield* events({ projection: "search" })).items
      assert.deepInclude(event, { id, status: "pending", attempts: 0, error_type: null, processed_at: null })
      const again = yield* claim()
      assert.deepInclude(again.deliveries[0], { id, attempt: 1, reclaimed: false })
      yield* settle(again, done(id))
      assert.deepStrictEqual((yield* attemptsOf(id)).map(({ outcome }) => outcome), ["dead_lettered", "acked"])
    }).pipe(fresh))

  it.effect("makes done rows due again only when told so", () =>
    Effect.gen(function*() {
      const id = yield* settledAs(done)
      assert.strictEqual(yield* replay({ projection: "search" }), 0)
      assert.strictEqual(yield* replay({ projection: "search", status: "done" }), 1)
      const again = yield* claim()
      yield* settle(again, retry(id))
      yield* settle(yield* claim(), done(id))
      assert.deepStrictEqual((yield* attemptsOf(id)).map(({ attempt, outcome }) => [attempt, outcome]), [
        [1, "acked"],
        [1, "retry_scheduled"],
        [2, "acked"]
      ])
    }).pipe(fresh))

  it.effect("makes one row due again by its id, dead or done, and touches no other", () =>
    Effect.gen(function*() {
      const [a, b, c] = [yield* settledAs(dead), yield* settledAs(done), yield* settledAs(dead)]
      assert.strictEqual(yield* replay({ projection: "search", id: a }), 1)
      assert.strictEqual(yield* replay({ projection: "search", id: b }), 1)
      assert.strictEqual(yield* replay({ projection: "search", id: a }), 0)
      assert.strictEqual(yield* replay({ projection: "search", id: 987_654_321 }), 0)
      assert.strictEqual(yield* replay({ projection: "chronicle", id: c }), 0)
      assert.sameMembers(idsOf(yield* claim()), [a, b])
    }).pipe(fresh))

  it.effect("chooses by error and by age", () =>
    Effect.gen(function*() {
      yield* passTime("1 hour")
      const old = yield* settledAs((id) => dead(id, "es_4xx"))
      yield* passTime("100 seconds")
      yield* settledAs((id) => dead(id, "es_4xx"))
      yield* settledAs((id) => dead(id, "es_mapping"))
      const [{ created_at }] = (yield* events({ projection: "search" })).items as [OutboxEvent]
      const between = DateTime.formatIso(DateTime.subtract(created_at, { seconds: 50 }))
      assert.strictEqual(yield* replay({ projection: "search", error_type: "es_auth" }), 0)
      assert.strictEqual(yield* replay({ projection: "search", error_type: "es_4xx", before: between }), 1)
      assert.deepStrictEqual(idsOf(yield* claim()), [old])
      assert.strictEqual(yield* replay({ projection: "search", after: between, before: between }), 0)
      assert.strictEqual(yield* replay({ projection: "search", after: between }), 2)
    }).pipe(fresh))

  it.effect("leaves alone what waits or is being worked on", () =>
    Effect.gen(function*() {
      const [, , waiting, leased] = yield* oneOfEach
      for (const id of [waiting, leased]) assert.strictEqual(yield* replay({ projection: "search", id }), 0)
      assert.deepInclude(yield* statsOf("search"), { pending: 2, processing: 1 })
    }).pipe(fresh))

  it.effect("makes each row due again once when two ask at the same time", () =>
    Effect.gen(function*() {
      yield* commitMany(20)
      const batch = yield* claim()
      yield* settle(batch, ...idsOf(batch).map((id) => dead(id)))
      const counts = yield* Effect.all([1, 2, 3].map(() => replay({ projection: "search" })), {
        concurrency: "unbounded"
      })
      assert.strictEqual(counts.reduce((sum, each) => sum + each, 0), 20)
      assert.strictEqual((yield* claim()).deliveries.length, 20)
    }).pipe(fresh))
}

export const suite = suiteOf<Needs>("OutboxReport", [counting, listing, replaying])
