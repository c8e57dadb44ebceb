/**
 * Leases move from the rows to lanes: a claim writes one row per lane instead of rewriting every row that it takes, and
 * the rows of one entity, which share a lane, cannot overtake each other.
 *
 * Finished rows get a table per outbox, with indexes that cost little to append to.
 */
const projections = ["search", "chronicle", "realtime"]

/**
 * Thirty-two lanes: enough that sixteen workers of two batches never wait for each other, and that a dead worker's
 * batch holds up few of the others; few enough to ask each of them whether it has something to do.
 */
const control = [
  `create table outbox_lanes (
    projection text not null,
    lane smallint not null check (lane between 0 and 31),
    epoch bigint not null default 0,
    token uuid,
    worker text,
    claimed_at timestamptz not null default '-infinity',
    lease_until timestamptz,
    ids bigint[] not null default '{}',
    floor bigint not null default 0,
    primary key (projection, lane),
    check ((token is null) = (lease_until is null))
  ) with (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500)`,
  `insert into outbox_lanes (projection, lane)
    select projection, lane
    from unnest(array['${projections.join("', '")}']) as projection, generate_series(0, 31) as lane`,
  `create table outbox_projections (
    projection text primary key,
    paused_at timestamptz,
    paused_reason text check (length(paused_reason) <= 256),
    swept_at timestamptz not null default '-infinity'
  )`,
  `insert into outbox_projections (projection) values ('${projections.join("'), ('")}')`,
  `create table outbox_breakers (
    projection text not null,
    worker text not null,
    state text not null check (state in ('open', 'half_open')),
    error_type text not null,
    error_detail text not null,
    retry_at timestamptz not null,
    updated_at timestamptz not null default clock_timestamp(),
    primary key (projection, worker)
  )`
]

const views = projections.map((projection) => `drop view ${projection}_outbox_events`)

/**
 * The one check that is left: PostgreSQL reads each anew for every statement, and the five together took as long
 * as the rest of the insert. What they said is said by the types of who writes.
 *
 * As strict as the pattern that it replaces: PostgreSQL took 12 µs a row to match that one's `{32}` and `{16}`.
 */
const traced = `translate(traceparent, '0123456789abcdef', '') = '---'
        and traceparent like '00-${"_".repeat(32)}-${"_".repeat(16)}-__' and length(tracestate) <= 512`

/**
 * What was leased is due again: its worker finds that it holds nothing any more, and the row is tried once more. That
 * attempt is counted already, so it is recorded as lost, as if its lease had ended.
 */
const hot = (projection: string) => {
  const table = `outbox_${projection}`
  return [
    `with lost as (
      update ${table} set state = 1, lease_token = null, due_at = clock_timestamp(), waiting_since = clock_timestamp(),
        updated_at = clock_timestamp(), reclaimed = true, error_type = 'lease_expired', error_detail = null
      where state = 2 returning *
    )
    insert into outbox_past_attempts (projection, event_id, attempt, worker, claimed_at, result, outcome, error_type,
      traceparent)
    select '${projection}', id, attempts, lease_owner, claimed_at, 'failed', 'lease_lost', 'lease_expired', traceparent
    from lost`,
    `drop index ${table}_ready, ${table}_waiting, ${table}_leased`,
    `alter table ${table}
      drop constraint ${table}_pkey, drop constraint ${table}_traceparent_check,
      drop constraint ${table}_op_check, drop constraint ${table}_tracestate_check,
      drop constraint ${table}_request_id_check,
      add constraint ${table}_traceparent_check check (${traced}),
      drop column lease_token, drop column lease_owner, drop column lease_until, drop column claimed_at,
      add column lane smallint not null generated always as (get_byte(uuid_send(entity_id), 15) & 31) stored,
      add column crashes smallint not null default 0,
      add column format smallint not null default 1`,
    // State: 0 never tried, 1 waiting until due_at, 2 the same and to be tried alone.
    `alter table ${table} set (fillfactor = 100), add primary key (lane, id)`,
    `create index ${table}_waiting on ${table} (lane, state, due_at, id) where state <> 0`,
    `create index ${table}_blocking on ${table} (entity_id) where (state <> 0) is true`
  ]
}

const done = (projection: string) => {
  const table = `outbox_done_${projection}`
  return [
    `create table ${table} partition of outbox_done for values in ('${projection}') partition by range (processed_at)`,
    `create table ${table}_default partition of ${table} default`
  ]
}

const said = `entity_type, entity_id, entity_version, op, attempts, lease_owner, error_type, error_detail, traceparent,
  tracestate, request_id, actor, library_id, changes, created_at, updated_at`

const finished = [
  "alter table outbox_done rename to outbox_done_before",
  `create table outbox_done (like outbox_done_before including defaults)
    partition by list (projection)`,
  ...projections.flatMap(done),
  `insert into outbox_done (projection, id, outcome, claimed_at, processed_at, ${said})
    select projection, id, outcome, claimed_at, processed_at, ${said} from outbox_done_before`,
  "drop table outbox_done_before cascade",
  // Ids grow with time and so do the entities' own (UUIDv7): both are appended at one end of their index. Trace ids are
  // random; a Bloom filter for each 32 pages costs a fifth of a B-tree and finds one among a million in some 15 ms.
  "create index outbox_done_id on outbox_done (id)",
  "create index outbox_done_entity on outbox_done (entity_id)",
  `create index outbox_done_trace on outbox_done
    using brin (substr(traceparent, 4, 32) text_bloom_ops (n_distinct_per_range = 2500)) with (pages_per_range = 32)`
]

const columns = (status: string, attempts: string, due: string, owner: string, until: string, processed: string) =>
  `id, entity_type, entity_id, entity_version, op, ${status} as status, ${attempts} as attempts,
   ${due} as next_attempt_at, ${owner} as lease_owner, ${until} as lease_until, error_type, error_detail, traceparent,
   tracestate, substr(traceparent, 4, 32) as trace_id, request_id, created_at, updated_at, ${processed} as processed_at`

const inFlight = (projection: string) =>
  `(select lane, unnest(ids) as id, worker, lease_until from outbox_lanes
    where projection = '${projection}' and token is not null) as held`

const none = "null::timestamptz"

const view = (projection: string) =>
  `create view ${projection}_outbox_events as
  select ${
    columns(
      "case when held.id is null then 'pending' else 'processing' end",
      "case when held.id is null then attempts else attempts + 1 end",
      "due_at",
      "held.worker",
      "held.lease_until",
      none
    )
  } from outbox_${projection} left join ${inFlight(projection)} using (lane, id)
  union all
  select ${columns("'done'", "attempts", none, "null::text", none, "processed_at")}
    from outbox_done where projection = '${projection}'
  union all
  select ${columns("'dead'", "attempts", none, "null::text", none, "processed_at")}
    from outbox_dead where projection = '${projection}'`

const attempts = `create view outbox_attempts as
  select projection, event_id, attempt, worker, claimed_at, ended_at, result, outcome, error_type,
    substr(traceparent, 4, 32) as trace_id from outbox_past_attempts
  union all
  select projection, id, attempts, lease_owner, claimed_at, processed_at, 'ok', outcome, null,
    substr(traceparent, 4, 32) from outbox_done`

export const lanes = [
  ...control,
  ...views,
  "drop view outbox_attempts",
  ...projections.flatMap(hot),
  ...finished,
  ...projections.map(view),
  attempts
]
