/** What every outbox says on the span of whoever caused a row: that it waits now, and under which number (S3-43). */
import { assert, type Vitest } from "@effect/vitest"
import { Effect, Option, type Tracer } from "effect"
import type { Leases } from "../../src/outbox/Leases.ts"
import { Outbox } from "../../src/outbox/Outbox.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import { type Backstage, fresh } from "../support/Backstage.ts"
import { changeOf, claim, commitMany, commitTo, idInLane, idsOf } from "../support/Changes.ts"
import * as RecordedSpans from "../support/RecordedSpans.ts"
import { suiteOf } from "./Suite.ts"

const { only } = RecordedSpans

type Needs = Outbox | Leases | Transaction | Backstage
type It = Vitest.MethodsNonLive<Needs>

const eventsOf = ({ events }: Tracer.NativeSpan) => events.map(([name, , told]) => ({ name, ...told }))

/** As the server's span around a request has them. */
const during = <A, E, R>(request: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    yield* Effect.withSpan(request, "POST /api/v1/tags", { root: true })
    return eventsOf(yield* only("POST /api/v1/tags"))
  }).pipe(Effect.provide(RecordedSpans.layer, { local: true }))

/** Which one claim takes together. */
const inOneLane = () => [changeOf({ id: idInLane(1) }), changeOf({ id: idInLane(1) })]

const queued = (projection: "search" | "chronicle") =>
  Effect.map(
    claim({ projection }),
    (batch) => idsOf(batch).map((task_id) => ({ name: "task_queued", task_id, projection }))
  )

const telling = (it: It) => {
  it.effect("that it waits now, for one change as for several", () =>
    Effect.gen(function*() {
      for (const count of [1, 3]) {
        const events = yield* during(commitMany(count, count))
        assert.sameDeepMembers(events, [...yield* queued("search"), ...yield* queued("chronicle")])
        assert.lengthOf(events, 2 * count)
      }
    }).pipe(fresh))

  it.effect("that it waits now, where only one projection hears of it", () =>
    Effect.gen(function*() {
      assert.sameDeepMembers(yield* during(commitTo("search", ...inOneLane())), yield* queued("search"))
    }).pipe(fresh))

  it.effect("nothing of many at once, which nobody would read", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* during(commitMany(17)), [])
    }).pipe(fresh))

  it.effect("each to its own, where one transaction holds those of several requests", () =>
    Effect.gen(function*() {
      const spans = yield* Effect.forEach(["one", "two"], (name) => Effect.makeSpan(name, { root: true }))
      const causes = spans.map((span) => ({ request: { requestId: null, actor: "ann" }, span: Option.some(span) }))
      const transaction = yield* Transaction
      yield* transaction.run(Outbox.use(({ append }) => append(inOneLane(), ["search"], causes)))
      const told = spans.map((span) => eventsOf(span as Tracer.NativeSpan))
      assert.deepStrictEqual(told.map(({ length }) => length), [1, 1])
      assert.sameDeepMembers(told.flat(), yield* queued("search"))
    }).pipe(fresh))
}

export const suite = suiteOf<Needs>("the cause of a row", [telling])
