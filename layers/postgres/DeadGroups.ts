/** The dead letters by their reasons, of the newest of each outbox. */
import { Effect, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { DeadGroup, deadGroupsMax, deadSample } from "../../src/outbox/OutboxReport.ts"
import { Projection } from "../../src/outbox/Projection.ts"
import { silent } from "./Statement.ts"

const Row = Schema.Struct({
  ...DeadGroup.fields,
  count: Schema.Number,
  oldest_at: Schema.DateTimeUtcFromDate,
  newest_at: Schema.DateTimeUtcFromDate
})
const decode = Schema.decodeUnknownSync(Schema.Array(Row))

const ofProjection = (sql: SqlClient.SqlClient, projection: Projection) =>
  sql`
    select projection, error_type, count(*)::float8 as count, min(processed_at) as oldest_at,
      max(processed_at) as newest_at, (array_agg(error_detail order by processed_at desc, id desc))[1] as newest_detail
    from (
      select projection, id, error_type, error_detail, processed_at from outbox_dead
      where projection = ${projection} order by id desc limit ${deadSample}
    ) as newest
    group by projection, error_type order by count desc, error_type limit ${deadGroupsMax}`

export const deadGroups = (sql: SqlClient.SqlClient) =>
  Effect.map(
    silent(Effect.forEach(Projection.literals, (projection) => ofProjection(sql, projection))),
    (each) => each.flatMap((rows) => decode(rows))
  )
