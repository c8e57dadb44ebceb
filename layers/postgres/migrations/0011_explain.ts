/**
 * What tells where a change spent its time: how long each attempt loaded, how long its engine took, and when it could
 * be tried again. Two numbers of the batch for each row, so that nothing is looked up to write them.
 *
 * A request is found by its id in the chronicle, which has every change; its filter costs the chronicle's worker, and
 * search nothing.
 */
const times = "add column load_ms real, add column engine_ms real"

export const explain = [
  `alter table outbox_done ${times}`,
  `alter table outbox_past_attempts ${times}, add column due_at timestamptz`,
  `create index chronicle_entries_request on chronicle_entries
    using brin (request_id text_bloom_ops (n_distinct_per_range = 2500)) with (pages_per_range = 32)`,
  // As for finished rows: what was written since is read in whole, so it must not become much.
  `alter table chronicle_entries
    set (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000)`
]
