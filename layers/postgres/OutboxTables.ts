/** Names and fragments that the outbox statements share. */
import type { SqlClient } from "effect/sql"
import type { Projection } from "../../src/outbox/Projection.ts"

/** The hot table: the backlog, and nothing else. */
export const hotTable = { search: "outbox_search", chronicle: "outbox_chronicle", realtime: "outbox_realtime" } as const

/** What a row says of its change and request, in every table it passes through. */
export const said = [
  "entity_type",
  "entity_id",
  "entity_version",
  "op",
  "traceparent",
  "tracestate",
  "request_id",
  "actor",
  "library_id",
  "changes",
  "created_at"
].join(", ")

/** A timestamp as microseconds since 1970: exact in a double, where a JavaScript date would lose the last digits. */
export const micros = (column: string) => `(extract(epoch from ${column}) * 1000000)::float8`

/** And back, as a statement's parameter. */
export const timeOf = (sql: SqlClient.SqlClient, at: number) =>
  sql`('epoch'::timestamptz + ${at}::float8 * interval '1 microsecond')`

export const events = (projection: Projection) => `${projection}_outbox_events`
