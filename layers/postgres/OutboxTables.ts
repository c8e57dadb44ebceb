/** Names and fragments that the outbox statements share. */
import type { SqlClient } from "effect/sql"

/** The hot table: the backlog, and nothing else. */
export const hotTable = { search: "outbox_search", chronicle: "outbox_chronicle", realtime: "outbox_realtime" } as const

/** Written to directly, so that PostgreSQL need not find out for each row which part it belongs to. */
export const doneTable = {
  search: "outbox_done_search",
  chronicle: "outbox_done_chronicle",
  realtime: "outbox_done_realtime"
} as const

/**
 * What `state` means in a hot table; who handles a row now is said by its lane. Written into the statements as they
 * are: the planner uses a partial index only where it sees the value.
 */
export const isFresh = "state = 0"
export const isWaiting = "state = 1"
export const isAlone = "state = 2"

/**
 * Exactly what the index by entity says of its rows, and nothing that follows from `isWaiting`: while few rows wait,
 * the planner would use that index for a lane's due rows as well, and still do so when many wait.
 */
export const wasTried = (row: string) => `(${row}.state <> 0) is true`

/** The newest form of an outbox row that this version reads; a row of a newer one waits for a newer worker. */
export const formatKnown = 1

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
export const micros = (column: string) => `round(date_part('epoch', ${column}) * 1000000)`

/** And back, as a statement's parameter. */
export const timeOf = (sql: SqlClient.SqlClient, at: number) =>
  sql`('epoch'::timestamptz + ${at}::float8 * interval '1 microsecond')`
