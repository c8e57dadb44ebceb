/** A claim and a settlement cost the same whatever waits: they walk an index, and sort nothing of the backlog. */
import { assert, layer } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import { claimAloneRow, claimRows } from "../../layers/postgres/Claim.ts"
import { look } from "../../layers/postgres/DeliveryStatusPostgres.ts"
import { hotTable } from "../../layers/postgres/OutboxTables.ts"
import { dead, done, release, retry } from "../../layers/postgres/Settle.ts"
import type { EntityId } from "../../src/domain/Entity.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import { fresh } from "../support/Backstage.ts"
import { claim, idsOf, newId } from "../support/Changes.ts"
import { buffersOf, explain, inputsOf, nodesOf, type PlanMode, type PlanNode } from "../support/Explain.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

const projections = ["search", "chronicle"] as const
const modes: ReadonlyArray<PlanMode> = ["auto", "force_generic_plan"]
const token = "00000000-0000-4000-8000-000000000001"
const options = { worker: "w1", limit: 100, leaseFor: Duration.seconds(30) }

/** Random entities in all lanes; half of the rows was tried, and most of those are due again. */
const fill = Effect.fnUntraced(function*(projection: Projection, count: number) {
  const sql = yield* SqlClient.SqlClient
  const table = sql(hotTable[projection])
  yield* sql`insert into ${table} (entity_type, entity_id, entity_version, op, state, due_at)
    select 'tag', gen_random_uuid(), 1, 'upsert', case when n % 2 = 0 then 1 else 0 end,
      clock_timestamp() + case when n % 20 = 0 then interval '1 hour' else interval '-1 second' end
    from generate_series(1, ${count}::int) as n`
})

/** What autovacuum leaves behind: of a table that is as it is now, or of one that was still empty. */
const analyze = (projection: Projection) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`analyze ${sql(hotTable[projection])}`)

/** What autovacuum leaves behind when it counts while a large transaction is still open: few rows on many pages. */
const countedAmidst = (projection: Projection, rows: number) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) =>
      sql`update pg_class set reltuples = ${rows}::int4, relpages = pg_relation_size(oid) / 8192
      where oid = ${hotTable[projection]}::regclass`
  )

const isHot = ({ "Relation Name": relation }: PlanNode) => Object.values(hotTable).some((table) => table === relation)

/** Only what reads: the node that writes bears the table's name too. */
const readsHot = (node: PlanNode) => isHot(node) && node["Node Type"] !== "ModifyTable"

/**
 * What belongs together is found by an index. `inOrder`: and in its order, so that the limit ends the walk; in a small
 * table the planner may sort a lane's few rows as well.
 */
const check = (plan: PlanNode, what: string, inOrder = true) => {
  const nodes = nodesOf(plan)
  const reads = nodes.filter(readsHot)
  const told = `${what}: ${JSON.stringify(plan, undefined, 1)}`
  const allowed = ["Index Scan", "Index Only Scan", "Tid Scan", ...(inOrder ? [] : ["Bitmap Heap Scan"])]
  assert.isAbove(reads.length, 0, told)
  for (const node of reads) assert.include(allowed, node["Node Type"], told)
  if (!inOrder) return
  for (const node of nodes.filter((each) => each["Node Type"].endsWith("Sort"))) {
    assert.isFalse(inputsOf(node).some(readsHot), told)
  }
}

const claims = (sql: SqlClient.SqlClient, projection: Projection): ReadonlyArray<Statement.Statement<unknown>> => [
  claimRows(sql, projection, token, options),
  claimAloneRow(sql, projection, token, options)
]

const settlements = Effect.fnUntraced(function*(projection: Projection, limit: number) {
  const sql = yield* SqlClient.SqlClient
  const batch = yield* claim({ projection, limit })
  assert.strictEqual(batch.deliveries.length, limit)
  const ids = idsOf(batch)
  const failed = { errorType: "es_429", detail: "it's \"busy\"" } as const
  const each = (part: ReadonlyArray<number>): ReadonlyArray<Statement.Statement<unknown>> => [
    done(sql, batch, part.map((id) => ({ _tag: "Done", id, outcome: id % 2 === 0 ? "acked" : "superseded" }))),
    retry(sql, batch, part.map((id) => ({ _tag: "Retry", id, delayMs: 10, ...failed }))),
    dead(sql, batch, part.map((id) => ({ _tag: "Dead", id, ...failed }))),
    release(sql, batch, part.map((id) => ({ _tag: "Release", id, delayMs: 10, why: null })))
  ]
  return [...each(ids), ...each(ids.slice(0, limit / 2))]
})

/** Buffers that the claim of a hundred rows reads, in the worse of the two modes. */
const costOf = Effect.fnUntraced(function*(projection: Projection, inOrder: boolean) {
  const sql = yield* SqlClient.SqlClient
  const costs: Array<number> = []
  for (const mode of modes) {
    for (const statement of claims(sql, projection)) {
      const plan = yield* explain(statement, mode)
      check(plan, `claim of ${projection}, ${mode}`, inOrder)
      costs.push(buffersOf(plan))
    }
  }
  return Math.max(...costs)
})

const sizes = process.env["WORDLOOM_FULL"] === "1" ? [10_000, 1_000_000] : [10_000, 100_000]

layer(PostgresStores.layer, { excludeTestServices: true })("the plan", (it) => {
  for (const projection of projections) {
    for (const known of [true, false]) {
      const when = known ? "what the planner knows" : "what the planner does not know of"
      it.effect(`of a claim and of each settlement of ${projection} walks the index of ${when}`, () =>
        Effect.gen(function*() {
          if (!known) yield* analyze(projection)
          yield* fill(projection, 10_000)
          if (known) yield* analyze(projection)
          yield* costOf(projection, false)
          for (const limit of [100, 1_000]) {
            for (const statement of yield* settlements(projection, limit)) {
              for (const mode of modes) check(yield* explain(statement, mode), `settlement of ${projection}, ${mode}`)
            }
          }
        }).pipe(fresh))
    }

    it.effect(`of a claim of ${projection} costs no more in a large backlog than in a small one`, () =>
      Effect.gen(function*() {
        const [small, large] = sizes as [number, number]
        yield* fill(projection, small)
        yield* analyze(projection)
        const before = yield* costOf(projection, false)
        yield* fill(projection, large - small)
        // As it is while the planner still knows the small one, or has heard of a part only, and once it knows better.
        assert.isAtMost(yield* costOf(projection, true), 2 * before)
        yield* countedAmidst(projection, small)
        assert.isAtMost(yield* costOf(projection, true), 2 * before)
        yield* analyze(projection)
        assert.isAtMost(yield* costOf(projection, true), 2 * before)
      }).pipe(fresh))
  }

  it.effect("of a look at some versions walks the index by entity, for one as for a thousand", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* fill("search", 10_000)
      yield* analyze("search")
      const rows = yield* sql<{ readonly id: EntityId }>`select entity_id as id from outbox_search limit 500`
      const known = rows.map(({ id }) => ({ id, version: 1 }))
      const unknown = Array.from({ length: 500 }, () => ({ id: newId(), version: 1 }))
      for (const versions of [known.slice(0, 1), unknown.slice(0, 1), [...known, ...unknown]]) {
        for (const mode of modes) check(yield* explain(look(sql, "search", versions), mode), `look, ${mode}`)
      }
    }).pipe(fresh))
})
