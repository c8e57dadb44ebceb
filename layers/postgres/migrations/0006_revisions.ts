/**
 * What a block shows of others, the names of its tags and of its library, may change without the block itself: then it
 * is projected anew at the same version. `version + reprojections` orders the writes of an entity in every index.
 *
 * A removed entity leaves a line behind, so that what it was at last is known when its removal is told.
 */
const ahead = (table: string) => `alter table ${table} add column reprojections integer not null default 0`

const removed = [
  `create table removed_entities (
    id uuid primary key,
    kind text not null,
    version integer not null,
    reprojections integer not null,
    removed_at timestamptz not null default clock_timestamp()
  )`,
  "create index removed_entities_removed_at on removed_entities (removed_at)"
]

/** Each generation of the index is a part: one is built while another is searched, and an old one dropped at once. */
const documents = [
  "alter table search_documents rename to search_documents_before",
  "drop index search_documents_words",
  `create table search_documents (
    generation integer not null,
    id uuid not null,
    kind text not null,
    version integer not null,
    revision bigint not null,
    deleted boolean not null,
    library_id uuid,
    tag_ids uuid[] not null default '{}',
    title text not null,
    body text not null,
    library text,
    tags text[] not null default '{}',
    written_at timestamptz not null default clock_timestamp(),
    words tsvector generated always as (
      setweight(to_tsvector('simple', wordloom_plain(title)), 'A')
      || setweight(to_tsvector('simple', wordloom_plain(wordloom_joined(tags))), 'B')
      || setweight(to_tsvector('simple', wordloom_plain(coalesce(library, ''))), 'C')
      || setweight(to_tsvector('simple', wordloom_plain(body)), 'D')
    ) stored
  ) partition by list (generation)`,
  "create table search_documents_1 partition of search_documents for values in (1)",
  `insert into search_documents (generation, id, kind, version, revision, deleted, library_id, tag_ids, title, body,
      library, tags)
    select 1, before.id, before.kind, before.version, before.version, before.deleted, before.library_id, before.tag_ids,
      before.title, before.body, (select name from libraries where libraries.id = before.library_id),
      array(select tags.name from unnest(before.tag_ids) with ordinality as tag (id, at) join tags using (id)
        order by at)
    from search_documents_before as before`,
  "drop table search_documents_before",
  "alter table search_documents add primary key (generation, id)",
  // Every search reads what is not sorted in yet: with four megabytes of that, the default, it took 3 ms, or 33 ms when
  // the planner then preferred to read the table; with one it takes 1 ms, and writing is as fast.
  `create index search_documents_words on search_documents using gin (words) with (gin_pending_list_limit = 1024)
    where not deleted`,
  // What searches read; a row of its own, so that a swap is one update.
  `create table search_live (
    one boolean primary key default true check (one),
    generation integer not null
  )`,
  "insert into search_live (generation) values (1)"
]

export const revisions = [
  ...["tags", "libraries", "blocks"].map(ahead),
  ...removed,
  // `array_to_string` may depend on settings for other types than text, so PostgreSQL does not take it for immutable.
  `create function wordloom_joined(text[]) returns text immutable strict parallel safe language sql as $$
    select array_to_string($1, ' ')
  $$`,
  // Letter for letter what `layers/elasticsearch/DocumentDigest` says of a document. Not immutable, or PostgreSQL could
  // not put it into the statement that asks for it.
  `create function wordloom_digest(kind text, id uuid, version integer, title text, body text, library_id uuid,
    tag_ids uuid[], library text, tags text[]) returns bigint stable parallel safe language sql as $$
    select ('x' || left(encode(sha256(convert_to(
      kind || E'\\x1f' || id || E'\\x1f' || version || E'\\x1f' || title || E'\\x1f' || body || E'\\x1f'
        || coalesce(library_id::text, '') || E'\\x1f' || array_to_string(tag_ids, ',') || E'\\x1f'
        || coalesce(library, '') || E'\\x1f' || array_to_string(tags, E'\\x1f'), 'UTF8')), 'hex'), 10))::bit(40)::bigint
  $$`,
  ...documents
]
