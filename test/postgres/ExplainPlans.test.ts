/** Explain costs the same whatever is finished and whatever waits: each of its looks walks an index, or is bounded. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import { byIndex, queriesOf } from "../../layers/postgres/ExplainFind.ts"
import { aheadOf, aheadThen, earlierThan, pastAttempts, rowsOf } from "../../layers/postgres/ExplainRows.ts"
import { failuresText, statesText } from "../../layers/postgres/ExplainSystem.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import type { RowFacts } from "../../src/explain/Facts.ts"
import { fresh } from "../support/Backstage.ts"
import { buffersOf, explain, nodesOf, type PlanMode, type PlanNode } from "../support/Explain.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

const modes: ReadonlyArray<PlanMode> = ["auto", "force_generic_plan"]

const many = 100_000
const dead = 30_000
const waits = 20_000
/** Ids of what is finished or dead; far above those of what waits, which the database gives. */
const firstDone = 1_000_000
const firstDead = 2_000_000

const row = "entity_type, entity_id, entity_version, op, traceparent, request_id"
const from = (kind: string) =>
  `'tag', gen_random_uuid(), 1, 'upsert', '00-' || md5('${kind}' || n) || '-00000000000000aa-01', '${kind}-' || n`

/** As much of everything as makes the planner choose: it reads a small table whole, and is right. */
const fill = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const run = (text: string) => sql.unsafe(text)
  for (const projection of ["search", "chronicle", "realtime"]) {
    yield* run(`insert into outbox_${projection} (${row})
      select ${from("w")} from generate_series(1, ${waits}) as n`)
    yield* run(`insert into outbox_done_${projection} (projection, id, outcome, claimed_at, ${row})
      select '${projection}', ${firstDone} + n, 'acked', clock_timestamp(), ${from("d")}
      from generate_series(1, ${many}) as n`)
    yield* run(`insert into outbox_dead (projection, id, ${row})
      select '${projection}', ${firstDead} + n, ${from("x")} from generate_series(1, ${dead}) as n`)
  }
  yield* run(`insert into outbox_past_attempts (projection, event_id, attempt, worker, claimed_at, result, outcome)
    select 'search', ${firstDone} + n, 1, 'w1', clock_timestamp(), 'failed', 'retry_scheduled'
    from generate_series(1, ${many}) as n`)
  yield* run(`insert into chronicle_entries (entity_type, entity_id, version, op, actor, changes, at, request_id)
    select 'tag', gen_random_uuid(), 1, 'upsert', 'anonymous', '[]', clock_timestamp(), 'd-' || n
    from generate_series(1, ${many}) as n`)
  yield* run(`vacuum analyze outbox_done, chronicle_entries, outbox_search, outbox_chronicle, outbox_realtime,
    outbox_dead, outbox_past_attempts`)
})

/** What a plan reads whole; a part that was never filled costs nothing. */
const readWhole = (plan: PlanNode) =>
  nodesOf(plan).filter((node) => node["Node Type"].endsWith("Seq Scan"))
    .map((node) => node["Relation Name"] ?? "").filter((table) => large.test(table))

const hot = /^outbox_(search|chronicle|realtime)$/
const nothing = /^$/
/** The most that a look read was some 6,000, of what is before a row that waits; a finished table alone has 2,500. */
const buffersMax = 20_000

const large =
  /^(outbox_(search|chronicle|realtime|done_(search|chronicle|realtime)|dead|past_attempts)|chronicle_entries)$/

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
  it.effect("walks an index in each of its looks, and reads no large table whole", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* fill
      const [waiting] = yield* sql<{ readonly entity: string; readonly id: string }>`
        select entity_id::text as entity, id::text as id from outbox_search order by id limit 1`
      const entity = EntityId.make(waiting!.entity)
      const id = Number(waiting!.id)
      const event = (id: number) => queriesOf(sql, { by: "event", projection: "search", id })
      const looks: ReadonlyArray<readonly [string, Statement.Statement<unknown>]> = [
        ["rows", rowsOf(sql, [{ id: entity, version: 1, event: null }])],
        ...event(id).map((each) => ["event that waits", each] as const),
        ...event(firstDone + many / 2).map((each) => ["event that is done", each] as const),
        ...event(firstDead + dead / 2).map((each) => ["event that is dead", each] as const),
        ["ahead", aheadOf(sql, rowFacts("fresh", firstDone))],
        ["ahead then", aheadThen(sql, rowFacts("done", firstDone + many / 2))],
        ["earlier", earlierThan(sql, rowFacts("fresh", id), entity)],
        ["attempts", pastAttempts(sql, rowFacts("done", firstDone + many / 2))],
        ["states", sql.unsafe(statesText)],
        ["failures", sql.unsafe(failuresText)],
        ...queriesOf(sql, { by: "request_id", value: "d-50000" }).map((each) => ["request", each] as const),
        ...queriesOf(sql, { by: "trace_id", value: `${"0".repeat(31)}1` }).map((each) => ["trace", each] as const)
      ]
      for (const [what, statement] of looks) {
        // The backlog has no index by request or trace, which every write would pay for.
        const allowed = what === "request" || what === "trace" ? hot : nothing
        for (const mode of modes) {
          const planned = explain(statement, mode)
          const plan = yield* allowed === hot
            ? sql.withTransaction(Effect.andThen(sql.unsafe(byIndex), planned))
            : planned
          assert.deepStrictEqual(readWhole(plan).filter((table) => !allowed.test(table)), [], `${what}, ${mode}`)
          assert.isBelow(buffersOf(plan), buffersMax, `${what}, ${mode}`)
        }
      }
    }).pipe(fresh))
})
