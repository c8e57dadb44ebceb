/** Who holds back vacuum: sessions, prepared transactions and replication slots, by the transactions they still see. */
import { Effect, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { leaving } from "../../src/outbox/Leaving.ts"
import { Holder, OldestTransaction, transactionsPerSecond } from "../../src/outbox/OldestTransaction.ts"
import { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { silent } from "./Statement.ts"

const decodeRows = Schema.decodeUnknownSync(Schema.Array(Holder))

/** The views hold a row per connection; a look that takes longer than this has gone wrong. */
const lookWithin = "5 seconds"

/**
 * A snapshot of another database holds back nothing here, but who writes there does: every snapshot here begins at the
 * oldest transaction that writes anywhere. A VACUUM does not hold back another, though it looks as if it did; the
 * system's own processes, autovacuum among them, have no user; a parallel worker's transaction is its leader's.
 *
 * Users without `pg_read_all_stats` see neither state nor start of other users' sessions.
 */
const sessions = `
  select 'session' as kind, pid, null::text as name, nullif(application_name, '') as application_name,
    usename::text as user, state, extract(epoch from clock_timestamp() - xact_start)::float8 as age_seconds,
    greatest(age(backend_xid), case when coalesce(datname, current_database()) = current_database()
      then age(backend_xmin) end) as age_transactions,
    false as catalogs_only
  from pg_stat_activity
  where pid <> pg_backend_pid() and usesysid is not null and leader_pid is null
    and pid not in (select pid from pg_stat_progress_vacuum)`

const prepared = `
  select 'prepared', null, gid, null, owner::text, null,
    extract(epoch from clock_timestamp() - prepared)::float8, age(transaction), false
  from pg_prepared_xacts`

/** PostgreSQL keeps no time of a slot, and a lost one keeps nothing back. */
const slots = `
  select 'slot', active_pid, slot_name::text, null, null, case when active then 'active' else 'inactive' end, null,
    age(coalesce(xmin, catalog_xmin)), xmin is null
  from pg_replication_slots
  where wal_status is distinct from 'lost'`

/**
 * Of those that see equally far back, the one that began first is the cause, and a slot only repeats it. A slot that
 * keeps back the catalogs alone is always some way behind, so it is measured by how long that is: it must not hide a
 * transaction, nor be hidden by one of a second.
 */
const query = `
  with held as (${sessions} union all ${prepared} union all ${slots}),
  measured as (
    select *, coalesce(age_seconds, age_transactions::float8 / ${transactionsPerSecond}) as held_for
    from held where age_transactions is not null
  )
  select kind, pid, name, application_name, oldest.user, state, age_seconds,
    greatest(age_transactions, 0) as age_transactions, catalogs_only
  from (
    select distinct on (catalogs_only) * from measured
    order by catalogs_only, age_transactions desc, kind = 'slot', held_for desc
  ) as oldest
  order by held_for desc limit 1`

export const layer = Layer.effect(
  OldestTransaction,
  Effect.map(SqlClient.SqlClient, (sql) =>
    OldestTransaction.of({
      look: leaving(silent(orUnavailable(sql.unsafe(query)))).pipe(
        Effect.timeoutOrElse({
          duration: lookWithin,
          orElse: () => Effect.fail(new StoreUnavailable({ cause: new Error(`no answer in ${lookWithin}`) }))
        }),
        Effect.map((rows) => Option.fromUndefinedOr(decodeRows(rows)[0]))
      )
    }))
)
