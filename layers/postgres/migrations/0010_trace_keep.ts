/**
 * What processes tell each other of traces that are worth keeping. Unlogged: it lives for an hour, and losing it loses
 * spans only. `found` says that the part of the trace that left its rows is exported.
 */
export const traceKeep = [
  `create unlogged table trace_keep (
    trace_id text primary key check (trace_id ~ '^[0-9a-f]{32}$'),
    at timestamptz not null default clock_timestamp(),
    found boolean not null default false
  )`,
  "create index trace_keep_at on trace_keep (at)",
  // The spans that a process has rebuilt, so that no other does.
  `create unlogged table trace_rebuilt (
    span_id text primary key check (span_id ~ '^[0-9a-f]{16}$'),
    at timestamptz not null default clock_timestamp()
  )`,
  "create index trace_rebuilt_at on trace_rebuilt (at)"
]
