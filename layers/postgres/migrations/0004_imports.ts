/** How far each file has been imported. */
export const imports = [
  `create table imports (
    sha256 text primary key check (sha256 ~ '^[0-9a-f]{64}$'),
    library text not null,
    next_line bigint not null default 1,
    next_offset bigint not null default 0,
    imported bigint not null default 0,
    rejected bigint not null default 0,
    blank bigint not null default 0,
    started_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz
  )`,
  // Lines name their library; names are not unique, the oldest one is meant.
  "create index libraries_name on libraries (name, id)"
]
