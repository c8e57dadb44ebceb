/** New names on their way to the blocks that show them: one line each, locked by whoever makes the next chunk. */
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { Change } from "../../src/domain/Change.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import { type FanOut, FanOuts } from "../../src/outbox/FanOuts.ts"
import { CurrentRequest } from "../../src/telemetry/CurrentRequest.ts"
import * as EnqueueSpan from "../../src/telemetry/EnqueueSpan.ts"
import { hotTable, isFresh } from "./OutboxTables.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { provenByFirst } from "./Rows.ts"
import { measured, type Operation, silent } from "./Statement.ts"

const pendingMax = 10_000

const asFanOuts = provenByFirst(Schema.Struct({
  kind: Schema.Literals(["tag", "library"]),
  entity_id: EntityId,
  version: Schema.Int,
  after: EntityId,
  blocks: Schema.Int,
  superseded: Schema.Boolean,
  traceparent: Schema.NullOr(Schema.String),
  tracestate: Schema.NullOr(Schema.String),
  request_id: Schema.NullOr(Schema.String),
  actor: Schema.String
}))

const toFanOut = ({ traceparent, tracestate, ...row }: ReturnType<typeof asFanOuts>[number]): FanOut => ({
  kind: row.kind,
  id: row.entity_id as EntityId,
  version: row.version,
  after: row.after as EntityId,
  blocks: row.blocks,
  isSuperseded: row.superseded,
  trace: traceparent === null ? null : { traceparent, tracestate },
  requestId: row.request_id,
  actor: row.actor
})

const asBlocks = provenByFirst(Schema.Struct({ id: EntityId, version: Schema.Int, library_id: EntityId }))

const toChange = ({ id, library_id, version }: ReturnType<typeof asBlocks>[number]): Change => ({
  kind: "block",
  id: id as EntityId,
  version,
  op: "upsert",
  libraryId: library_id as EntityId,
  fields: []
})

/**
 * What is in flight, what was tried before, and what is beyond the floors: a look from the head of the table would have
 * to pass all rows that are settled but not removed yet.
 */
export const backlog = (sql: SqlClient.SqlClient, max: number) => {
  const hot = sql(hotTable.search)
  const lanes = sql`outbox_lanes as lane`
  const ofSearch = sql`lane.projection = 'search'`
  return sql<{ readonly count: number }>`
    select least(${max}, (select sum(cardinality(ids)) from ${lanes} where ${ofSearch})
      + (select count(*) from (select from ${hot} where state <> 0 limit ${max}) as tried)
      + (select count(*) from (
          select from ${lanes}, lateral (
            select from ${hot} as row
            where row.lane = lane.lane and row.id > lane.floor and row.${sql.literal(isFresh)} limit ${max}
          ) as each where ${ofSearch} limit ${max}) as untried))::int as count`
}

/** Waits for whoever is changing one of the blocks, in the order in which everybody locks several of them. */
export const advance = (
  sql: SqlClient.SqlClient,
  { after, id, isSuperseded, kind, version }: FanOut,
  limit: number
) => {
  const shows = kind === "tag" ? sql`tag_ids @> array[${id}::uuid]` : sql`library_id = ${id}::uuid`
  const mine = sql`entity_id = ${id}::uuid and version = ${version}`
  return sql`
    with shown as materialized (
      select id from blocks where ${shows} and id > ${after}::uuid
      order by id limit ${isSuperseded ? 0 : limit} for update
    ), raised as (
      update blocks set reprojections = reprojections + 1 where id in (select id from shown)
      returning id, version, library_id
    ), size as materialized (
      select count(*)::int as blocks from shown
    ), moved as (
      update fan_outs set blocks = fan_outs.blocks + size.blocks, turn_at = clock_timestamp(),
        after = (select id from shown order by id desc limit 1)
      from size where ${mine} and size.blocks = ${limit}
    ), ended as (
      delete from fan_outs using size where ${mine} and size.blocks < ${limit}
    )
    select * from raised order by id`
}

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const run = <A, E, R>(operation: Operation, query: Effect.Effect<A, E, R>) =>
    query.pipe(silent, measured(operation, "outbox"), orUnavailable)

  const begin: FanOuts["Service"]["begin"] = Effect.fnUntraced(function*({ id, kind, version }) {
    const { actor, requestId } = yield* CurrentRequest
    const trace = yield* EnqueueSpan.cause
    yield* run(
      "create",
      sql`
      insert into fan_outs (kind, entity_id, version, traceparent, tracestate, request_id, actor)
      values (${kind}, ${id}::uuid, ${version}, ${trace?.traceparent ?? null}, ${trace?.tracestate ?? null},
        ${requestId}, ${actor})`
    )
  })

  const pending = run(
    "query",
    sql<{ readonly count: number }>`
    select count(*)::int as count from (select from fan_outs limit ${pendingMax}) as bounded`
  )

  const take = run(
    "query",
    sql`
    select kind, entity_id, version, after, blocks, traceparent, tracestate, request_id, actor,
      exists (select from fan_outs as later where later.entity_id = each.entity_id and later.version > each.version)
        as superseded
    from fan_outs as each order by turn_at limit 1 for update of each skip locked`
  )

  return FanOuts.of({
    begin,
    pending: Effect.map(pending, ([row]) => row!.count),
    backlog: (max) => Effect.map(run("query", backlog(sql, max)), ([row]) => row!.count),
    take: Effect.map(take, (rows) => asFanOuts(rows).map(toFanOut)[0]),
    // Not prepared: a frequent tag is best followed along the ids, a rare one by its index, and only a plan for this
    // one knows which it is.
    advance: (fanOut, limit) =>
      Effect.map(run("update", advance(sql, fanOut, limit).unprepared), (rows) => asBlocks(rows).map(toChange))
  })
})

export const layer = Layer.effect(FanOuts, make)
