/** Whether a projection has been told of a change yet: one statement for all who ask, a look into an index for each. */
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { type DeliveryState, DeliveryStatus, type Version } from "../../src/outbox/DeliveryStatus.ts"
import { leaving } from "../../src/outbox/Leaving.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import { hotTable } from "./OutboxTables.ts"
import { integers, uuids } from "./Parameters.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { silent } from "./Statement.ts"

/** A look takes milliseconds; after this the database counts as away. */
const lookWithin = "5 seconds"

/** A row is in exactly one of the tables, so both are read by one statement. */
export const look = (sql: SqlClient.SqlClient, projection: Projection, versions: ReadonlyArray<Version>) =>
  sql<{ readonly states: ReadonlyArray<DeliveryState> }>`
    select array_agg(case
        when exists (select from outbox_dead as dead where dead.projection = ${projection}
          and dead.entity_id = asked.id and dead.entity_version = asked.version) then 'dead'
        when exists (select from ${sql(hotTable[projection])} as row
          where row.entity_id = asked.id and row.entity_version <= asked.version) then 'pending'
        else 'delivered'
      end order by at) as states
    from unnest(${uuids(versions.map(({ id }) => id))}, ${integers(versions.map(({ version }) => version))})
      with ordinality as asked (id, version, at)`

export const layer = Layer.effect(
  DeliveryStatus,
  Effect.map(SqlClient.SqlClient, (sql) =>
    DeliveryStatus.of({
      look: (projection, versions) =>
        versions.length === 0
          ? Effect.succeed([])
          : leaving(Effect.map(silent(look(sql, projection, versions)), ([row]) => row!.states)).pipe(
            Effect.timeoutOrElse({
              duration: lookWithin,
              orElse: () => Effect.fail(new StoreUnavailable({ cause: new Error(`no answer in ${lookWithin}`) }))
            }),
            orUnavailable
          )
    }))
)
