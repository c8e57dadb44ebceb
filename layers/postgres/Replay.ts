/** Makes finished rows due again, in bounded steps; what was recorded of their attempts stays. */
import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { ReplayFilter } from "../../src/outbox/OutboxReport.ts"
import { hotTable, said } from "./OutboxTables.ts"
import { silent } from "./Statement.ts"

const stepMax = 1_000

const conditionsOf = (sql: SqlClient.SqlClient, filter: ReplayFilter) =>
  sql.and([
    sql`projection = ${filter.projection}`,
    ...(filter.id === undefined ? [] : [sql`id = ${filter.id}::bigint`]),
    ...(filter.error_type === undefined ? [] : [sql`error_type = ${filter.error_type}`]),
    ...(filter.after === undefined ? [] : [sql`created_at >= ${filter.after}::timestamptz`]),
    ...(filter.before === undefined ? [] : [sql`created_at < ${filter.before}::timestamptz`])
  ])

const step = (sql: SqlClient.SqlClient, filter: ReplayFilter, from: "dead" | "done", startedAt: string) => {
  const table = from === "dead" ? "outbox_dead" : "outbox_done"
  // Its id is old, and claims look for old ones among those that wait; they come in the order of their ids.
  // A dead row's attempts are recorded already; a done row's last one is told by the row itself and must be kept.
  const kept = from === "dead" ? sql`` : sql`, kept as (
      insert into outbox_past_attempts (projection, event_id, attempt, worker, claimed_at, ended_at, result, outcome,
        traceparent, load_ms, engine_ms)
      select projection, id, attempts, lease_owner, claimed_at, processed_at, 'ok', outcome, traceparent, load_ms,
        engine_ms from gone
    )`
  return silent(sql<{ readonly id: bigint }>`
    with gone as (
      delete from ${sql(table)} where (projection, id) in (
        select projection, id from ${sql(table)}
        where ${conditionsOf(sql, filter)} and processed_at < ${startedAt}::timestamptz limit ${stepMax}
      ) returning *
    )${kept}
    insert into ${sql(hotTable[filter.projection])} (id, state, due_at, ${sql.literal(said)}) overriding system value
    select id, 1, ${startedAt}::timestamptz, ${sql.literal(said)} from gone returning id`)
}

/** Rows that finish again meanwhile are not taken twice: only what was finished when the replay began counts. */
export const replayed = Effect.fnUntraced(function*(sql: SqlClient.SqlClient, filter: ReplayFilter) {
  const [clock] = yield* silent(sql<{ readonly now: string }>`select clock_timestamp()::text as now`)
  const tables = filter.status === undefined && filter.id !== undefined
    ? ["dead", "done"] as const
    : [filter.status ?? "dead"] as const
  let total = 0
  for (const table of tables) {
    for (;;) {
      const { length } = yield* step(sql, filter, table, clock!.now)
      total += length
      if (length < stepMax) break
    }
  }
  return total
})
