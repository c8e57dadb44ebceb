/** Explain costs the same whatever is finished and whatever waits: each of its looks walks an index, or is bounded. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { queriesOf } from "../../layers/postgres/ExplainFind.ts"
import { aheadOf, aheadThen, earlierThan, rowsOf } from "../../layers/postgres/ExplainRows.ts"
import { statesText } from "../../layers/postgres/ExplainSystem.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import type { RowFacts } from "../../src/explain/Facts.ts"
import { fresh } from "../support/Backstage.ts"
import { buffersOf, explain, nodesOf, type PlanMode, type PlanNode } from "../support/Explain.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

const modes: ReadonlyArray<PlanMode> = ["auto", "force_generic_plan"]

const fill = Effect.fnUntraced(function*(waiting: number, finished: number) {
  const sql = yield* SqlClient.SqlClient
  const row = sql.literal("entity_type, entity_id, entity_version, op, traceparent, request_id")
  const traceparent = sql.literal("'00-' || md5(n::text) || '-00000000000000aa-01'")
  for (const projection of ["search", "chronicle"] as const) {
    yield* sql`insert into ${sql(`outbox_${projection}`)} (${row})
      select 'tag', gen_random_uuid(), 1, 'upsert', ${traceparent}, 'w-' || n from generate_series(1, ${waiting}::int) as n`
    yield* sql`insert into ${sql(`outbox_done_${projection}`)} (projection, id, outcome, claimed_at, ${row})
      select ${projection}, 1000000 + n, 'acked', clock_timestamp(), 'tag', gen_random_uuid(), 1, 'upsert', ${traceparent},
        'd-' || n from generate_series(1, ${finished}::int) as n`
  }
  yield* sql`insert into chronicle_entries (entity_type, entity_id, version, op, actor, changes, at, request_id)
    select 'tag', gen_random_uuid(), 1, 'upsert', 'anonymous', '[]', clock_timestamp(), 'd-' || n
    from generate_series(1, ${finished}::int) as n`
  yield* sql.unsafe("vacuum analyze outbox_done, chronicle_entries, outbox_search, outbox_chronicle")
})

const scanned = (plan: PlanNode) =>
  nodesOf(plan).filter((node) => node["Node Type"].endsWith("Seq Scan")).map((node) => node["Relation Name"] ?? "")

const isLarge = (table: string) =>
  /^outbox_(search|chronicle|done_search|done_chronicle)|^chronicle_entries/.test(table)

const rowFacts = (state: "fresh" | "done", id: number): RowFacts => ({
  projection: "search",
  id,
  version: 1,
  op: "upsert",
  state,
  attempts: 0,
  dueAt: null,
  waitingSince: null,
  reclaimed: false,
  claim: null,
  laneClaim: null,
  errorType: null,
  detail: null,
  traceId: null,
  requestId: null,
  createdAt: 0,
  updatedAt: 0,
  processedAt: null
})

layer(PostgresStores.layer, { excludeTestServices: true })("the plan of explain", (it) => {
  it.effect("walks an index for an entity and for an event, and reads no table whole", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* fill(20_000, 50_000)
      const [row] = yield* sql<{ readonly entity: string; readonly id: string }>`
        select entity_id::text as entity, id::text as id from outbox_search order by lane, id limit 1`
      const entity = EntityId.make(row!.entity)
      const facts = rowFacts("fresh", Number(row!.id))
      const statements = [
        rowsOf(sql, [{ id: entity, version: 1, event: null }]),
        ...queriesOf(sql, { by: "event", projection: "search", id: Number(row!.id) }),
        ...queriesOf(sql, { by: "event", projection: "search", id: 1_000_900 }),
        aheadOf(sql, rowFacts("fresh", 900_000)),
        aheadThen(sql, rowFacts("done", 1_030_000)),
        earlierThan(sql, facts, entity),
        sql.unsafe(statesText)
      ]
      for (const statement of statements) {
        for (const mode of modes) {
          const plan = yield* explain(statement, mode)
          assert.deepStrictEqual(scanned(plan).filter(isLarge), [], `${mode}: ${statement.compile()[0]}`)
          assert.isBelow(buffersOf(plan), 25_000, statement.compile()[0])
        }
      }
    }).pipe(fresh))

  it.effect("reads the backlog alone for a request and for a trace, never what is finished", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* fill(5_000, 100_000)
      const asked = [
        ...queriesOf(sql, { by: "request_id", value: "d-50000" }),
        ...queriesOf(sql, { by: "trace_id", value: "0".repeat(31) + "1" })
      ]
      for (const statement of asked) {
        const plan = yield* explain(statement, "auto")
        const whole = scanned(plan).filter((table) => /^outbox_done_(search|chronicle)|^chronicle_entries/.test(table))
        assert.deepStrictEqual(whole, [], statement.compile()[0])
      }
    }).pipe(fresh))
})
