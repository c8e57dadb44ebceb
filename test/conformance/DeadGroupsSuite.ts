/** What every store says of its dead letters: how many have which reason. */
import { assert, type Vitest } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import type { Leases } from "../../src/outbox/Leases.ts"
import type { Outbox } from "../../src/outbox/Outbox.ts"
import { OutboxReport } from "../../src/outbox/OutboxReport.ts"
import type { Transaction } from "../../src/outbox/Transaction.ts"
import { type Backstage, fresh, passTime } from "../support/Backstage.ts"
import { claim, commitMany, dead, idsOf, retry, settle } from "../support/Changes.ts"
import { suiteOf } from "./Suite.ts"

type Needs = Leases | Outbox | OutboxReport | Transaction | Backstage
type It = Vitest.MethodsNonLive<Needs>

const secondsBetween = (from: DateTime.Utc, to: DateTime.Utc) =>
  (DateTime.toEpochMillis(to) - DateTime.toEpochMillis(from)) / 1_000

const buried = Effect.fnUntraced(function*(reason: string) {
  yield* commitMany(1)
  const batch = yield* claim()
  const [id] = idsOf(batch) as [number]
  yield* settle(batch, dead(id, reason))
  return id
})

const grouping = (it: It) => {
  const groups = OutboxReport.use((report) => report.deadGroups)

  it.effect("groups dead letters by their reasons, each outbox by itself, the most frequent first", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* groups, [])
      const old = yield* buried("es_4xx")
      yield* passTime("100 seconds")
      yield* commitMany(5)
      const batch = yield* claim()
      const [a, b, c, d, e] = idsOf(batch) as [number, number, number, number, number]
      yield* settle(batch, dead(a, "es_4xx"), dead(b), dead(c), dead(d), retry(e, 60_000))
      const told = yield* claim({ projection: "chronicle", limit: 1 })
      yield* settle(told, dead(idsOf(told)[0]!, "pg_unavailable"))
      const found = yield* groups
      assert.deepStrictEqual(
        found.map(({ count, error_type, newest_detail, projection }) => [
          projection,
          error_type,
          count,
          newest_detail
        ]),
        [
          ["search", "es_mapping", 3, "no"],
          ["search", "es_4xx", 2, "no"],
          ["chronicle", "pg_unavailable", 1, "no"]
        ]
      )
      assert.closeTo(secondsBetween(found[1]!.oldest_at, found[1]!.newest_at), 100, 5)
      yield* OutboxReport.use((report) => report.replay({ projection: "search", id: old }))
      assert.deepInclude((yield* groups)[1], { error_type: "es_4xx", count: 1 })
    }).pipe(fresh))

  it.effect("shows no more reasons of an outbox than a page can hold", () =>
    Effect.gen(function*() {
      yield* commitMany(130)
      for (let settled = 0; settled < 130;) {
        const batch = yield* claim()
        yield* settle(batch, ...idsOf(batch).map((id) => dead(id, `reason_${id}`)))
        settled += batch.deliveries.length
      }
      assert.lengthOf(yield* groups, 100)
    }).pipe(fresh))
}

export const suite = suiteOf<Needs>("dead letters by reason", [grouping])
