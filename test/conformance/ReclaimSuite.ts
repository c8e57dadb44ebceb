/** What every store promises of rows whose worker died, and of what a row carries through all that befalls it. */
import { assert, layer, type Vitest } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import type { Leases } from "../../src/outbox/Leases.ts"
import type { Outbox } from "../../src/outbox/Outbox.ts"
import { OutboxReport } from "../../src/outbox/OutboxReport.ts"
import type { Transaction } from "../../src/outbox/Transaction.ts"
import { attemptsOf, type Backstage, fresh, passTime } from "../support/Backstage.ts"
import * as Changes from "../support/Changes.ts"

const { changeOf, claim, commit, dead, done, idsOf, reclaim, retry, settle } = Changes

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

const context = {
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
  tracestate: "vendor=abc,other@tenant=1"
}

const reclaiming = (it: It) => {
  it.effect("tells each lost attempt once, the longest expired first, and no more than the limit", () =>
    Effect.gen(function*() {
      const order: Array<number> = []
      for (const worker of ["w1", "w2", "w3"]) {
        yield* commit(changeOf()).pipe(Changes.tracedAs(context))
        const batch = yield* claim({ worker })
        order.push(...idsOf(batch))
        yield* passTime("1 second")
      }
      yield* passTime("31 seconds")
      const first = yield* reclaim({ limit: 2 })
      assert.deepStrictEqual(first.map(({ id }) => id), order.slice(0, 2))
      const [lost] = first
      assert.deepInclude(lost, { attempt: 1, worker: "w1", dead: false, trace: context })
      assert.isAbove(lost!.lostAt, lost!.claimedAt)
      const rest = yield* Effect.all([reclaim(), reclaim(), reclaim()], { concurrency: "unbounded" })
      assert.deepStrictEqual(rest.flat().map(({ id }) => id), order.slice(2))
    }).pipe(fresh))

  it.effect("buries what has lost its last attempt, and keeps a record of each that was lost", () =>
    Effect.gen(function*() {
      yield* commit(changeOf())
      const told: Array<boolean> = []
      for (const worker of ["w1", "w2"]) {
        yield* claim({ worker })
        yield* passTime("31 seconds")
        told.push(...(yield* reclaim({ attemptsMax: 2 })).map((lost) => lost.dead))
      }
      assert.deepStrictEqual(told, [false, true])
      assert.deepStrictEqual(idsOf(yield* claim()), [])
      const [event] = (yield* OutboxReport.use((report) => report.events({ status: "dead" }, 10, undefined))).items
      assert.deepInclude(event, { attempts: 2, error_type: "lease_expired", lease_owner: null, lease_until: null })
      const records = yield* attemptsOf(event!.id)
      assert.deepStrictEqual(
        records.map(({ attempt, error_type, outcome, worker }) => [attempt, worker, outcome, error_type]),
        [[1, "w1", "lease_lost", "lease_expired"], [2, "w2", "lease_lost", "lease_expired"]]
      )
    }).pipe(fresh))

  it.effect("says of the claim after a lost one that it was taken back, and of no later one", () =>
    Effect.gen(function*() {
      const { id, now } = yield* takenOver
      assert.isTrue(now.deliveries[0]!.reclaimed)
      yield* settle(now, retry(id))
      const next = yield* claim()
      assert.isFalse(next.deliveries[0]!.reclaimed)
    }).pipe(fresh))
}

const carrying = (it: It) => {
  it.effect("keeps trace context and request id through retry, reclaim and replay", () =>
    Effect.gen(function*() {
      yield* commit(changeOf()).pipe(Changes.tracedAs(context), Changes.requestedAs("r-42"))
      const said = { trace: context, requestId: "r-42" }
      const first = yield* claim()
      const [id] = idsOf(first) as [number]
      yield* settle(first, retry(id))
      assert.deepInclude((yield* claim()).deliveries[0], said)
      yield* passTime("31 seconds")
      assert.deepStrictEqual((yield* reclaim())[0]?.trace, context)
      const third = yield* claim()
      assert.deepInclude(third.deliveries[0], said)
      for (const settlement of [dead(id), done(id)]) {
        const batch = settlement._tag === "Dead" ? third : yield* claim()
        yield* settle(batch, settlement)
        const { request_id, trace_id, traceparent, tracestate } = yield* eventOf(id)
        assert.deepStrictEqual({ traceparent, tracestate }, context)
        assert.deepStrictEqual({ request_id, trace_id }, {
          request_id: "r-42",
          trace_id: context.traceparent.slice(3, 35)
        })
        assert.strictEqual(yield* OutboxReport.use((report) => report.replay({ projection: "search", id })), 1)
      }
      assert.deepInclude((yield* claim()).deliveries[0], { ...said, attempt: 1 })
    }).pipe(fresh))

  it.effect("keeps a row without a trace as it is", () =>
    Effect.gen(function*() {
      yield* commit(changeOf()).pipe(Effect.withTracerEnabled(false))
      assert.deepInclude((yield* claim()).deliveries[0], { trace: null, requestId: null, actor: "anonymous" })
    }).pipe(fresh))
}

export const suite = <E>(options: {
  readonly name: string
  readonly layer: Layer.Layer<Needs, E>
  /** The store runs by the real clock. */
  readonly excludeTestServices?: boolean
}) =>
  layer(options.layer, { excludeTestServices: options.excludeTestServices ?? false })(
    `Reclaim (${options.name})`,
    (it) => [reclaiming, carrying].forEach((part) => part(it))
  )
