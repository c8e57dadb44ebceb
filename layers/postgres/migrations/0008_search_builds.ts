/** How far a further generation of the search index has come, and what it missed meanwhile. */
export const searchBuilds = [
  `create table search_builds (
    index_name text primary key,
    phase text not null check (phase in ('building', 'swapping', 'kept', 'dropping')),
    generation text not null,
    previous text not null,
    follows boolean not null,
    cursor uuid,
    written bigint not null default 0,
    began_at timestamptz not null default clock_timestamp(),
    changed_at timestamptz not null default clock_timestamp()
  )`,
  // At most a row for each entity.
  `create table search_build_misses (
    index_name text not null references search_builds on delete cascade,
    generation text not null,
    entity_id uuid not null,
    times integer not null default 1,
    primary key (index_name, generation, entity_id)
  )`
]
