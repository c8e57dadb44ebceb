/**
 * When all entities were last compared with the index, and what was found: one row, so that of several workers one does
 * it, and each can tell. Tombstones are found by their age.
 */
export const reconcile = [
  `create table search_reconciles (
    one boolean primary key default true check (one),
    begun_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    missing bigint not null default 0,
    stale bigint not null default 0,
    orphaned bigint not null default 0
  )`,
  "insert into search_reconciles default values",
  "create index search_documents_tombstones on search_documents (written_at) where deleted"
]
