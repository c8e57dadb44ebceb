/**
 * SQL of the bare loops: what PostgreSQL and the driver cost with no framework around them.
 *
 * claim: $1 worker, $2 the floor (everything at or below was claimed). ack: $1 worker, $2 ids, $3 attempts where taken.
 */

const envelope = `
  available_at timestamptz not null default now(), lease_until timestamptz, locked_by int,
  attempt int not null default 0, created_at timestamptz not null default now()`

const lease = (/** @type {string} */ table, /** @type {string} */ columns) => (/** @type {number} */ batch) => `
  with c as (
    select id from ${table} where id > $2 and available_at <= now() and (lease_until is null or lease_until < now())
    order by id limit ${batch} for update skip locked
  )
  update ${table} as row set lease_until = now() + interval '30 s', locked_by = $1, attempt = row.attempt + 1
  from c where row.id = c.id returning row.id, row.attempt, ${columns}`

const held = (/** @type {string} */ table) => `
  delete from ${table} as row using unnest($2::bigint[], $3::int[]) as a (id, attempt)
  where row.id = a.id and row.attempt = a.attempt and row.locked_by = $1`

/** What one of our rows says of its change and request. */
const said =
  `entity_type, entity_id, entity_version, op, traceparent, tracestate, request_id, actor, library_id, changes`
const saidTypes = `
  entity_type text not null, entity_id uuid not null, entity_version int not null, op text not null,
  traceparent text check (traceparent ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'),
  tracestate text check (length(tracestate) <= 512), request_id text check (length(request_id) <= 64),
  actor text not null default 'anonymous', library_id uuid, changes jsonb`

const payloadRows = (/** @type {string} */ table) =>
  `insert into ${table} (payload) select $1::jsonb from generate_series(1, $2::int)`

/**
 * @typedef {object} Shape
 * @property {string[]} tables
 * @property {string[]} ddl
 * @property {(() => string)} fill $1 a payload, $2 how many
 * @property {(batch: number) => string} claim
 * @property {string} ack
 * @property {boolean} takesAttempts
 * @property {boolean} [owned] no lease per row: who owns the shard reads on from the floor
 */

/** @type {Record<string, Shape>} */
export const shapes = {
  // A lease on each row, in columns that no index holds; a settled row is deleted under its attempt's number.
  "bare-lease": {
    tables: ["o_lease"],
    ddl: [`create table o_lease (id bigint generated always as identity primary key, topic text default 'orders',
      key text default 'k', payload jsonb not null, ${envelope}) with (fillfactor = 70)`],
    fill: () => payloadRows("o_lease"),
    claim: lease("o_lease", "payload"),
    ack: held("o_lease"),
    takesAttempts: true
  },
  // The same loop with our columns, and a settled row moves to a history like our outbox_done.
  "bare-lease-history": {
    tables: ["o_kept", "o_kept_done"],
    ddl: [
      `create table o_kept (id bigint generated always as identity primary key, ${saidTypes}, ${envelope})
        with (fillfactor = 70)`,
      `create table o_kept_done (projection text not null, id bigint not null, outcome text not null,
        claimed_at timestamptz not null, processed_at timestamptz not null default clock_timestamp(), ${saidTypes},
        attempts integer not null default 0, lease_owner text, error_type text, error_detail text,
        created_at timestamptz not null, updated_at timestamptz not null default clock_timestamp())
        partition by list (projection)`,
      "create table o_kept_done_a partition of o_kept_done for values in ('search') partition by range (processed_at)",
      "create table o_kept_done_a_default partition of o_kept_done_a default",
      "create index on o_kept_done (id)",
      "create index on o_kept_done (entity_id)",
      `create index on o_kept_done using brin
        (substr(traceparent, 4, 32) text_bloom_ops (n_distinct_per_range = 2500)) with (pages_per_range = 32)`
    ],
    fill: () =>
      `insert into o_kept (entity_type, entity_id, entity_version, op, library_id, request_id)
      select 'block', uuidv7(), 1, 'upsert', md5((g % 50)::text)::uuid, gen_random_uuid()::text
      from generate_series(1, $2::int) as g where $1::jsonb is not null`,
    claim: lease("o_kept", said),
    ack: `with gone as (${held("o_kept")} returning row.*)
      insert into o_kept_done_a (projection, id, outcome, claimed_at, attempts, lease_owner, created_at, ${said})
      select 'search', id, 'acked', lease_until - interval '30 s', attempt, locked_by::text, created_at, ${said}
      from gone`,
    takesAttempts: true
  },
  // Nothing is written at the claim: a shard has one owner, and its epoch guards the delete.
  "bare-shardfence": {
    tables: ["o_shard", "o_shard_owner"],
    ddl: [
      `create table o_shard (id bigint generated always as identity, shard smallint not null default 0,
        topic text default 'orders', key text default 'k', payload jsonb not null, ${envelope},
        primary key (shard, id))`,
      `create table o_shard_owner (shard smallint primary key, owner int, epoch bigint not null default 1,
        lease_until timestamptz)`,
      "insert into o_shard_owner (shard, owner) values (0, 1)"
    ],
    fill: () => payloadRows("o_shard"),
    claim: (batch) =>
      `select id, attempt, payload from o_shard
      where shard = 0 and id > $2 and available_at <= now() and $1::int is not null order by id limit ${batch}`,
    ack: `with f as (select 1 from o_shard_owner where shard = 0 and owner = $1 and epoch = 1 for share)
      delete from o_shard where shard = 0 and id = any($2::bigint[]) and exists (select 1 from f)`,
    takesAttempts: false,
    owned: true
  }
}
