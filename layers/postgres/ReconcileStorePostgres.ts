/** What a comparison leaves in PostgreSQL: raised revisions, remembered removals, and one row about itself. */
import { Duration, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { Change } from "../../src/domain/Change.ts"
import { EntityId, EntityKind } from "../../src/domain/Entity.ts"
import { ReconcileStore, type Surpassed } from "../../src/reconcile/ReconcileStore.ts"
import { bigints, texts, uuids } from "./Parameters.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { provenByFirst } from "./Rows.ts"
import { silent } from "./Statement.ts"

const asTold = provenByFirst(Schema.Struct({
  id: EntityId,
  kind: EntityKind,
  version: Schema.Int,
  library_id: Schema.NullOr(EntityId)
}))

type Told = ReturnType<typeof asTold>[number]

const toChange = (op: Change["op"]) => ({ id, kind, library_id, version }: Told): Change => ({
  kind,
  id: id as EntityId,
  version,
  op,
  libraryId: library_id as EntityId | null,
  fields: []
})

/** Locked in the order that every writer keeps: tags, then libraries, then blocks, each by their ids. */
const tables = [["tag", "tags"], ["library", "libraries"], ["block", "blocks"]] as const

const Found = Schema.Struct({ missing: Schema.Number, stale: Schema.Number, orphaned: Schema.Number })
const decodeFound = Schema.decodeUnknownSync(Schema.Array(Found))

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const wanted = (all: ReadonlyArray<Surpassed>) =>
    sql`(select * from unnest(${uuids(all.map(({ id }) => id))}, ${texts(all.map(({ kind }) => kind))},
      ${bigints(all.map(({ version }) => version))}, ${bigints(all.map(({ above }) => above))})
      as wanted (id, kind, version, above))`

  const raise = (kind: EntityKind, table: string, all: ReadonlyArray<Surpassed>) =>
    Effect.map(
      silent(sql`
        with held as materialized (
          select each.id, above from ${sql(table)} as each join ${wanted(all)} as wanted using (id)
          order by each.id for no key update of each
        )
        update ${sql(table)} as each
        set reprojections = greatest(each.reprojections, held.above - each.version)::integer + 1
        from held where each.id = held.id
        returning each.id, ${kind}::text as kind, each.version,
          ${sql.literal(table === "blocks" ? "each.library_id" : "null::uuid as library_id")}`),
      (rows) => asTold(rows).map(toChange("upsert"))
    )

  /** What was removed long ago is remembered anew, so that it is known for as long as it takes to tell of it. */
  const remember = (all: ReadonlyArray<Surpassed>) =>
    Effect.map(
      silent(sql`
        insert into removed_entities as known (id, kind, version, reprojections)
        select id, kind, least(version, above)::integer + 1, (above - least(version, above))::integer
        from ${wanted(all)} as wanted
        where ${
        sql.and(
          tables.map(([, table]) => sql`not exists (select from ${sql(table)} as each where each.id = wanted.id)`)
        )
      }
        order by id
        on conflict (id) do update set removed_at = clock_timestamp(), reprojections = greatest(known.reprojections,
          excluded.version + excluded.reprojections - 1 - known.version) + 1
        returning id, kind, version, null::uuid as library_id`),
      (rows) => asTold(rows).map(toChange("delete"))
    )

  const surpass = Effect.fnUntraced(function*(all: ReadonlyArray<Surpassed>) {
    const changes: Array<Change> = []
    for (const [kind, table] of tables) {
      const ours = all.filter((one) => !one.isOrphan && one.kind === kind)
      if (ours.length > 0) changes.push(...yield* raise(kind, table, ours))
    }
    const orphans = all.filter(({ isOrphan }) => isOrphan)
    if (orphans.length > 0) changes.push(...yield* remember(orphans))
    return changes
  })

  const ago = (duration: Duration.Duration) => sql`${Duration.toSeconds(duration)}::float8 * interval '1 second'`

  return ReconcileStore.of({
    surpass: (all) => orUnavailable(surpass(all)),
    takeTurn: (every) =>
      orUnavailable(Effect.map(
        silent(sql<{ readonly now: number }>`
          update search_reconciles set begun_at = clock_timestamp() where begun_at <= clock_timestamp() - ${ago(every)}
          returning date_part('epoch', begun_at) * 1000 as now`),
        ([row]) => row?.now
      )),
    giveBack: (every, delay) =>
      orUnavailable(Effect.asVoid(silent(sql`
        update search_reconciles set begun_at = clock_timestamp() - ${ago(every)} + ${ago(delay)}`))),
    record: ({ missing, orphaned, stale }) =>
      orUnavailable(Effect.asVoid(silent(sql`
        update search_reconciles set ended_at = clock_timestamp(), missing = ${missing}::float8,
          stale = ${stale}::float8, orphaned = ${orphaned}::float8`))),
    last: orUnavailable(Effect.map(
      silent(sql`
        select missing::float8 as missing, stale::float8 as stale, orphaned::float8 as orphaned
        from search_reconciles where ended_at is not null`),
      (rows) => decodeFound(rows)[0]
    )),
    // A removal that is yet to be told, or was given up for now, is told at the revision that is remembered.
    forget: (before, limit) =>
      orUnavailable(Effect.map(
        silent(sql`
          delete from removed_entities where id in (
            select id from removed_entities as old where removed_at < to_timestamp(${before / 1_000}::float8)
              and not exists (select from outbox_search as row where row.entity_id = old.id)
              and not exists (select from outbox_dead as row where projection = 'search' and row.entity_id = old.id)
            order by removed_at limit ${limit} for update skip locked
          ) returning id`),
        ({ length }) => length
      ))
  })
})

export const layer = Layer.effect(ReconcileStore, make)
