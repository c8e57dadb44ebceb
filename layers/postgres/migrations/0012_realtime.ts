/**
 * Sessions, what was said in them, and who listens where.
 *
 * A session belongs to a tag, a library or a block, and has its id. What is said in it is numbered without a gap, under
 * the session's row lock; so whoever knows a number can tell that something is missing before it.
 */
export const realtime = [
  `create table realtime_sessions (
    id uuid primary key,
    kind text not null check (kind in ('tag', 'library', 'block')),
    last_seq integer not null default 0,
    open_until timestamptz not null default '-infinity',
    created_at timestamptz not null default clock_timestamp()
  ) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500)`,
  `create table realtime_messages (
    session_id uuid not null references realtime_sessions (id),
    seq integer not null,
    kind text not null check (kind in ('chat', 'change')),
    from_user text not null check (length(from_user) <= 64),
    client_id text not null check (length(client_id) <= 128),
    body jsonb not null,
    request_id text,
    created_at timestamptz not null default clock_timestamp(),
    primary key (session_id, seq),
    unique (session_id, kind, from_user, client_id)
  )`,
  "create index realtime_messages_created_at on realtime_messages using brin (created_at)",
  `create table realtime_gateways (
    id text primary key check (length(id) <= 128),
    address text not null check (length(address) <= 256),
    seen_at timestamptz not null default clock_timestamp()
  ) with (fillfactor = 50)`,
  `create table realtime_members (
    session_id uuid not null,
    gateway_id text not null references realtime_gateways (id) on delete cascade,
    primary key (session_id, gateway_id)
  )`,
  "create index realtime_members_gateway on realtime_members (gateway_id)"
]
