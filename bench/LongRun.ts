/** As statements: what a system has after a long time, changes that are finished, some that wait, some dead. */

export interface Amounts {
  /** Changes, each with a row in the outboxes of search and of the chronicle. */
  readonly finished: number
  readonly waiting: number
  /** Of search alone; they come after the others. */
  readonly dead: number
}

/** Ids grow with time, as the product's own do. */
const entity = (n: string) => `('01900000-0000-7000-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`
const request = (n: string) => `md5('request' || ${n})::uuid::text`
const trace = (n: string) => `md5('trace' || ${n})`

/** What the changes with these numbers may be asked for by. */
export const namesOf = (numbers: ReadonlyArray<number>) =>
  `select n::float8 as id, ${entity("n")}::text as entity, ${request("n")} as request, ${trace("n")} as trace
    from unnest(array[${numbers.join(", ")}]) as n`

const columns = "entity_type, entity_id, entity_version, op, request_id, traceparent, created_at"
const said = `'tag', ${entity("n")}, 1, 'upsert', ${request("n")}, '00-' || ${trace("n")} || '-00000000000000aa-01'`
const numbers = (from: number, to: number) => `from generate_series(${from}, ${to}) as n`

/** The tags that were changed, and the index that shows those that are finished. */
export const tagsOf = ({ finished, waiting }: Amounts): ReadonlyArray<string> => [
  `insert into tags (id, name, color) select ${entity("n")}, 'tag ' || n, '#1E90FF' ${numbers(1, finished + waiting)}`,
  `insert into search_documents (generation, id, kind, version, revision, deleted, title, body)
    select 1, ${entity("n")}, 'tag', 1, 1, false, 'tag ' || n, '' ${numbers(1, finished)}`,
  "vacuum analyze tags, search_documents"
]

const ofOutbox = (projection: "search" | "chronicle", { finished, waiting }: Amounts) => [
  `insert into outbox_done_${projection} (projection, id, attempts, outcome, lease_owner, claimed_at, load_ms,
      engine_ms, ${columns})
    select '${projection}', n, 1, 'acked', 'w1', clock_timestamp(), 1, 5, ${said},
      clock_timestamp() - interval '100 ms' ${numbers(1, finished)}`,
  `insert into outbox_${projection} (id, ${columns}) overriding system value
    select n, ${said}, clock_timestamp() ${numbers(finished + 1, finished + waiting)}`,
  // As claims leave them.
  `update outbox_lanes set floor = ${finished} where projection = '${projection}'`,
  `select setval(pg_get_serial_sequence('outbox_${projection}', 'id'), ${finished + waiting + 1})`
]

/** The outboxes, and what they have left behind. */
export const rowsOf = (amounts: Amounts): ReadonlyArray<string> => {
  const { dead, finished, waiting } = amounts
  const all = finished + waiting
  return [
    `insert into chronicle_entries (entity_type, entity_id, version, op, actor, changes, at, request_id, trace_id)
      select 'tag', ${entity("n")}, 1, 'upsert', 'anonymous', '[]', clock_timestamp(), ${request("n")}, ${trace("n")}
      ${numbers(1, finished)}`,
    ...ofOutbox("search", amounts),
    ...ofOutbox("chronicle", amounts),
    `insert into outbox_dead (projection, id, attempts, error_type, ${columns})
      select 'search', n, 10, 'es_400', ${said}, clock_timestamp() ${numbers(all + 1, all + dead)}`,
    `insert into outbox_past_attempts (projection, event_id, attempt, worker, claimed_at, result, outcome)
      select 'search', n, 1, 'w1', clock_timestamp(), 'failed', 'retry_scheduled' ${numbers(all + 1, all + dead)}`,
    // As the autovacuum leaves them.
    `vacuum analyze chronicle_entries, outbox_search, outbox_chronicle, outbox_done, outbox_dead, outbox_past_attempts`
  ]
}
