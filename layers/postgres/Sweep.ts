/**
 * Finds rows that were committed long after they had got their ids, and lowers their lane's floor to them.
 *
 * This look begins at the head of the table, so where a transaction elsewhere keeps dead rows from being removed it has
 * to pass them all. Claims do not: one worker looks for all of them, and no more often than it needs to.
 */
import type { SqlClient } from "effect/sql"
import type { Projection } from "../../src/outbox/Projection.ts"
import { lookBack } from "./Claim.ts"
import { formatKnown, hotTable, isFresh } from "./OutboxTables.ts"

/** Workers together look this often at the most. */
const everyMs = 1_000

export const sweeping = (sql: SqlClient.SqlClient, projection: Projection) =>
  sql`
    with turn as (
      update outbox_projections set swept_at = clock_timestamp() where projection = (
        select projection from outbox_projections
        where projection = ${projection}
          and swept_at < clock_timestamp() - ${everyMs} * interval '1 millisecond'
        for update skip locked
      ) returning projection
    ), each as materialized (
      select lane.projection, lane.lane, lane.floor, lane.ids from turn join outbox_lanes as lane using (projection)
      order by lane.lane for update of lane skip locked
    )
    update outbox_lanes as lane set floor = lowest.id + ${lookBack} - 1 from (
      select each.projection, each.lane, late.id from each, lateral (
        select id from ${sql(hotTable[projection])} as row
        where row.lane = each.lane and row.id <= each.floor - ${lookBack} and ${sql.literal(isFresh)}
          and row.format <= ${formatKnown} and row.id <> all(each.ids)
        order by id limit 1) as late) as lowest
    where lane.projection = lowest.projection and lane.lane = lowest.lane`
