/**
 * The outboxes. One hot table per projection holds the backlog only; finished rows move to day partitions that
 * retention drops, dead ones to a table of their own. Views join the three into what the contract shows.
 */
const projections = ["search", "chronicle", "realtime"]

/** What a row says of the change and of its request; the same in all three places. */
const said = `
    entity_type text not null,
    entity_id uuid not null,
    entity_version integer not null,
    op text not null check (op in ('upsert', 'delete')),
    attempts integer not null default 0,
    lease_owner text,
    error_type text,
    error_detail text,
    traceparent text check (traceparent ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'),
    tracestate text check (length(tracestate) <= 512),
    request_id text check (length(request_id) <= 64),
    actor text not null default 'anonymous',
    library_id uuid,
    changes jsonb,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),`

const hot = (projection: string) => {
  const table = `outbox_${projection}`
  return [
    // state: 0 ready, 1 waiting until due_at, 2 leased. Every claim moves its rows out of the index it found them in.
    `create table ${table} (
    id bigint generated always as identity primary key,
    state smallint not null default 0,
    due_at timestamptz not null default clock_timestamp(),
    waiting_since timestamptz not null default clock_timestamp(),
    lease_token uuid,
    lease_until timestamptz,
    claimed_at timestamptz,
    reclaimed boolean not null default false,${said}
    check ((state = 2) = (lease_token is not null))
  ) with (
    fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off
  )`,
    `create index ${table}_ready on ${table} (id) where state = 0`,
    `create index ${table}_waiting on ${table} (due_at, id) where state = 1`,
    `create index ${table}_leased on ${table} (lease_until) where state = 2`,
    `create index ${table}_entity on ${table} (entity_id)`
  ]
}

const finished = [
  `create table outbox_done (
    projection text not null,
    id bigint not null,
    outcome text not null,
    claimed_at timestamptz not null,
    processed_at timestamptz not null default clock_timestamp(),${said}
    primary key (projection, id, processed_at)
  ) partition by range (processed_at)`,
  "create table outbox_done_default partition of outbox_done default",
  "create index outbox_done_created_at on outbox_done (projection, created_at desc)",
  "create index outbox_done_entity on outbox_done (entity_id)",
  "create index outbox_done_trace on outbox_done (substr(traceparent, 4, 32))",
  `create table outbox_dead (
    projection text not null,
    id bigint not null,
    claimed_at timestamptz,
    processed_at timestamptz not null default clock_timestamp(),${said}
    primary key (projection, id)
  )`,
  "create index outbox_dead_created_at on outbox_dead (projection, created_at desc)",
  "create index outbox_dead_entity on outbox_dead (entity_id)",
  // The attempt that succeeded is told by its outbox_done row; every other one has a row here.
  `create table outbox_past_attempts (
    projection text not null,
    event_id bigint not null,
    attempt integer not null,
    worker text not null,
    claimed_at timestamptz not null,
    ended_at timestamptz not null default clock_timestamp(),
    result text not null check (result in ('ok', 'failed')),
    outcome text not null,
    error_type text,
    error_detail text,
    traceparent text
  )`,
  "create index outbox_past_attempts_event on outbox_past_attempts (projection, event_id)",
  "create index outbox_past_attempts_ended_at on outbox_past_attempts (ended_at)"
]

const columns = (status: string, due: string, owner: string, until: string, processed: string) =>
  `id, entity_type, entity_id, entity_version, op, ${status} as status, attempts, ${due} as next_attempt_at,
   ${owner} as lease_owner, ${until} as lease_until, error_type, error_detail, traceparent, tracestate,
   substr(traceparent, 4, 32) as trace_id, request_id, created_at, updated_at, ${processed} as processed_at`

const view = (projection: string) =>
  `create view ${projection}_outbox_events as
  select ${
    columns(
      "case when state = 2 then 'processing' else 'pending' end",
      "due_at",
      "lease_owner",
      "lease_until",
      "null::timestamptz"
    )
  } from outbox_${projection}
  union all
  select ${columns("'done'", "null::timestamptz", "null::text", "null::timestamptz", "processed_at")}
    from outbox_done where projection = '${projection}'
  union all
  select ${columns("'dead'", "null::timestamptz", "null::text", "null::timestamptz", "processed_at")}
    from outbox_dead where projection = '${projection}'`

const attempts = `create view outbox_attempts as
  select projection, event_id, attempt, worker, claimed_at, ended_at, result, outcome, error_type,
    substr(traceparent, 4, 32) as trace_id from outbox_past_attempts
  union all
  select projection, id, attempts, lease_owner, claimed_at, processed_at, 'ok', outcome, null,
    substr(traceparent, 4, 32) from outbox_done`

const workers = `create table outbox_workers (
    id text primary key,
    projections text[] not null,
    started_at timestamptz not null default clock_timestamp(),
    seen_at timestamptz not null default clock_timestamp()
  )`

export const outbox = [...projections.flatMap(hot), ...finished, ...projections.map(view), attempts, workers]
