/**
 * Heartbeats over a connection that nothing else uses: a pool that is exhausted by the work must not end its leases.
 */
import { Duration, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Heartbeats } from "../../src/outbox/Heartbeats.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { silent } from "./Statement.ts"

/** Over whatever client it is given; a program gives it one with a single connection. */
export const layer = Layer.effect(
  Heartbeats,
  Effect.map(SqlClient.SqlClient, (sql) =>
    Heartbeats.of({
      extend: (batch, leaseFor) =>
        sql<{ readonly id: bigint }>`
          with mine as materialized (
            select lane from outbox_lanes
            where projection = ${batch.projection} and token = ${batch.token}::uuid
              and lease_until > (select clock_timestamp())
            order by lane for update
          ), held as (
            update outbox_lanes as lane
            set lease_until = clock_timestamp() + ${Duration.toMillis(leaseFor)} * interval '1 millisecond'
            from mine where lane.projection = ${batch.projection} and lane.lane = mine.lane
            returning ids
          )
          select unnest(ids) as id from held`.pipe(
          silent,
          Effect.map((rows) => new Set(rows.map(({ id }) => Number(id)))),
          orUnavailable
        )
    }))
)
