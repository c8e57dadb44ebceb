/** A system with something to look at: writes, dead letters of several reasons, and a backlog. */
import { type Caller } from "../support/HttpCall.ts"
import { type OwnDatabase } from "../support/OwnDatabase.ts"
import { until } from "../support/Programs.ts"
import { created } from "../support/RunningApi.ts"

export interface Scene {
  readonly call: Caller
  readonly database: OwnDatabase
}

export type Row = Record<string, any>

export const rowsOf = async ({ call }: Scene, query: string): Promise<ReadonlyArray<Row>> =>
  (await call("GET", `/api/v1/outbox/events?limit=100&${query}`)).body.items

export const delivered = (scene: Scene, entity: string, projection: "search" | "chronicle" = "search") =>
  until(
    `the ${projection} row of ${entity} to be done`,
    async () => (await rowsOf(scene, `projection=${projection}&entity_id=${entity}&status=done`))[0]
  )

/** Some blocks of a library; answers them. */
export const written = async (scene: Scene, titles: ReadonlyArray<string>, about: string) => {
  const library = await created(scene.call, "libraries", { name: `Field notes on ${about}` })
  const tag = await created(scene.call, "tags", { name: about, color: "#3B4BC8" })
  const blocks: Array<Row> = []
  for (const title of titles) {
    blocks.push(
      await created(scene.call, "blocks", {
        library_id: library["id"],
        title,
        body: `${title}: what was seen of the ${about}, written down the same evening.`,
        tag_ids: [tag["id"]]
      })
    )
  }
  for (const { id } of blocks) await Promise.all([delivered(scene, id), delivered(scene, id, "chronicle")])
  return blocks
}

const kept =
  `projection, id, claimed_at, entity_type, entity_id, entity_version, op, attempts, lease_owner, traceparent,
  tracestate, request_id, actor, library_id, changes, created_at`

/** As if its destination had refused the row for good. */
export const bury = (scene: Scene, row: Row, errorType: string, detail: string) =>
  scene.database.query(
    `with gone as (delete from outbox_done where projection = $1 and id = $2::bigint returning *)
     insert into outbox_dead (${kept}, error_type, error_detail) select ${kept}, $3, $4 from gone`,
    row["projection"],
    String(row["id"]),
    errorType,
    detail
  )

/** Changes a block that search then never takes: its row is buried before a worker sees it. Nothing else must wait. */
export const refused = async (scene: Scene, block: Row, errorType: string, detail: string) => {
  await scene.call("POST", "/api/v1/outbox/search/pause")
  await scene.call("PATCH", `/api/v1/blocks/${block["id"]}`, { json: { body: `${block["body"]} And once more.` } })
  await scene.database.query(
    `with gone as (delete from outbox_search where entity_id = $1 returning *)
     insert into outbox_dead (${kept}, error_type, error_detail)
     select 'search', id, clock_timestamp(), entity_type, entity_id, entity_version, op, 1, 'worker-1', traceparent,
       tracestate, request_id, actor, library_id, changes, created_at, $2, $3 from gone`,
    block["id"],
    errorType,
    detail
  )
  await scene.call("POST", "/api/v1/outbox/search/resume")
}

/** As if it had been written earlier, and failed twice before it succeeded. */
export const troubled = async (scene: Scene, row: Row) => {
  const id = String(row["id"])
  await scene.database.query(
    `update outbox_done set created_at = processed_at - interval '4.2 seconds', attempts = 3
     where projection = 'search' and id = $1::bigint`,
    id
  )
  await scene.database.query(
    `insert into outbox_past_attempts (projection, event_id, attempt, worker, claimed_at, ended_at, result, outcome,
       error_type, error_detail, traceparent, due_at)
     select 'search', id, attempt, lease_owner, created_at + from_start, created_at + from_start + took, 'failed',
       'retry_scheduled', error, detail, traceparent, created_at + from_start + took + pause
     from outbox_done, (values
       (1, interval '0.3 seconds', interval '0.12 seconds', interval '0.6 seconds', 'es_429', 'the engine is busy'),
       (2, interval '1.1 seconds', interval '1.4 seconds', interval '1.5 seconds', 'es_timeout', 'no answer within 1.4 s')
     ) as past (attempt, from_start, took, pause, error, detail)
     where projection = 'search' and id = $1::bigint`,
    id
  )
}
