/** What the projections write: the chronicle, and search inside PostgreSQL. */

// PostgreSQL's parser takes a run of Chinese or Japanese for one word, `<b>` for a tag that says nothing, `-4` for a
// number with its sign, and (by locale) curly quotes for letters.
const ideographs = "[\\u3040-\\u30ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\uac00-\\ud7af]"
const punctuation = "[\\u00a0-\\u00bf\\u2000-\\u206f\\u3000-\\u303f\\uff00-\\uff0f\\ufffd_/<>+-]"

export const readModels = [
  `create function wordloom_plain(text) returns text immutable strict parallel safe language sql as $$
    select regexp_replace(regexp_replace($1, '${punctuation}', ' ', 'g'), '(${ideographs})', ' \\1 ', 'g')
  $$`,
  `create table chronicle_entries (
    seq bigint generated always as identity,
    entity_type text not null,
    entity_id uuid not null,
    version integer not null,
    op text not null,
    actor text not null,
    changes jsonb not null,
    at timestamptz not null,
    request_id text,
    trace_id text,
    primary key (entity_id, version)
  )`,
  "create index chronicle_entries_at on chronicle_entries (at desc, seq desc)",
  // No entity ever leaves this table: a removed one stays as a tombstone, so no late old write can bring it back.
  `create table search_documents (
    id uuid primary key,
    kind text not null,
    version integer not null,
    deleted boolean not null,
    library_id uuid,
    tag_ids uuid[] not null default '{}',
    title text not null,
    body text not null,
    words tsvector generated always as (
      setweight(to_tsvector('simple', wordloom_plain(title)), 'A')
      || setweight(to_tsvector('simple', wordloom_plain(body)), 'D')
    ) stored
  )`,
  "create index search_documents_words on search_documents using gin (words) where not deleted"
]
