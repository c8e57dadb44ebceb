/** Tags, libraries and blocks. */
export const entities = [
  `create table tags (
    id uuid primary key,
    name text not null,
    color text not null,
    version integer not null default 1,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    constraint tags_name_key unique (name)
  )`,
  `create table libraries (
    id uuid primary key,
    name text not null,
    version integer not null default 1,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp()
  )`,
  `create table blocks (
    id uuid primary key,
    library_id uuid not null constraint blocks_library_id_fkey references libraries (id) on delete restrict,
    title text not null,
    body text not null,
    tag_ids uuid[] not null default '{}',
    version integer not null default 1,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp()
  )`,
  "create index blocks_library_id on blocks (library_id)",
  "create index blocks_tag_ids on blocks using gin (tag_ids)",
  `create table idempotency_keys (
    key text primary key,
    fingerprint text not null,
    answer jsonb,
    created_at timestamptz not null default clock_timestamp()
  )`,
  "create index idempotency_keys_created_at on idempotency_keys (created_at)"
]
