/** Explain costs the same whatever is finished and whatever waits: each of its looks walks an index, or is bounded. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import { namesOf, rowsOf as filling } from "../../bench/LongRun.ts"
import { byIndex, front, queriesOf } from "../../layers/postgres/ExplainFind.ts"
import { aheadOf, aheadThen, earlierThan, pastAttempts, rowsOf } from "../../layers/postgres/ExplainRows.ts"
import { failuresText, statesText } from "../../layers/postgres/ExplainSystem.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import { freshRow } from "../explain/Cases.ts"
import { fresh } from "../support/Backstage.ts"
import { buffersOf, explain, nodesOf, type PlanMode, type PlanNode } from "../support/Explain.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

const modes: ReadonlyArray<PlanMode> = ["auto", "force_generic_plan"]

/** As much of everything as makes the planner choose: it reads a small table whole, and is right. */
const amounts = { finished: 100_000, waiting: 20_000, dead: 30_000 }
const done = 50_000
const waiting = amounts.finished + 15_000
const dead = amounts.finished + amounts.waiting + 15_000

/** Every table that was filled; finished rows are in the partition of no day, since no worker made one. */
const large = /^(outbox_(search|chronicle|done_(search|chronicle)_default|dead|past_attempts)|chronicle_entries)$/
const readWhole = (plan: PlanNode) =>
  nodesOf(plan).filter((node) => node["Node Type"].endsWith("Seq Scan"))
    .map((node) => node["Relation Name"] ?? "").filter((table) => large.test(table))

/** The most that a look read was some 8,000, of what waits in front. */
const buffersMax = 10_000
/** A finished table has 3,000 pages, a backlog 600; of the filters' false hits 32 pages each are read. */
const foundWithin = 1_200

const given = (state: "fresh" | "done", id: number) => ({ ...freshRow("search", 1), state, id })

layer(PostgresStores.layer, { excludeTestServices: true })("the plan of explain", (it) => {
  it.effect("walks an index in each of its looks, and reads no large table whole", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      for (const statement of filling(amounts)) yield* sql.unsafe(statement)
      const names = yield* sql.unsafe<{ readonly entity: string; readonly request: string; readonly trace: string }>(
        namesOf([done, waiting, dead, 9_999_999])
      )
      const entity = EntityId.make(names[1]!.entity)
      const looks: ReadonlyArray<readonly [string, Statement.Statement<unknown>]> = [
        ["rows", rowsOf(sql, [{ id: entity, version: 1, event: null }])],
        ["ahead", aheadOf(sql, given("fresh", waiting))],
        ["ahead then", aheadThen(sql, given("done", done))],
        ["earlier", earlierThan(sql, given("fresh", waiting), entity)],
        ["attempts", pastAttempts(sql, given("done", done))],
        ["states", sql.unsafe(statesText)],
        ["failures", sql.unsafe(failuresText)]
      ]
      const finds = [
        ...[done, waiting, dead].flatMap((id) => queriesOf(sql, { by: "event", projection: "search", id })),
        ...names.flatMap(({ request, trace }) => [
          ...queriesOf(sql, { by: "request_id", value: request }),
          ...queriesOf(sql, { by: "trace_id", value: trace })
        ])
      ]
      for (const mode of modes) {
        for (const [what, statement] of looks) {
          const plan = yield* explain(statement, mode)
          assert.deepStrictEqual(readWhole(plan), [], `${what}, ${mode}`)
          assert.isBelow(buffersOf(plan), buffersMax, `${what}, ${mode}`)
        }
        for (const statement of finds) {
          const plan = yield* sql.withTransaction(Effect.andThen(sql.unsafe(byIndex), explain(statement, mode)))
          const [what] = statement.compile()
          assert.deepStrictEqual(readWhole(plan), [], `${what}, ${mode}`)
          assert.isBelow(buffersOf(plan), what.includes(front) ? buffersMax : foundWithin, `${what}, ${mode}`)
        }
      }
    }).pipe(fresh))
})
