/**
 * New names of tags and libraries that have not reached all blocks yet: a line each, gone at its end.
 *
 * There are few of them at any time, so that none but the primary key needs an index, and a moved cursor is a new
 * version on the same page.
 */
const traced = `translate(traceparent, '0123456789abcdef', '') = '---'
      and traceparent like '00-${"_".repeat(32)}-${"_".repeat(16)}-__' and length(tracestate) <= 512`

export const fanOuts = [
  `create table fan_outs (
    kind text not null check (kind in ('tag', 'library')),
    entity_id uuid not null,
    version integer not null,
    after uuid not null default '00000000-0000-0000-0000-000000000000',
    blocks integer not null default 0,
    traceparent text,
    tracestate text,
    request_id text,
    actor text not null,
    created_at timestamptz not null default clock_timestamp(),
    turn_at timestamptz not null default clock_timestamp(),
    primary key (entity_id, version),
    check (${traced})
  ) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500)`
]
