/** Every port of the product over a PostgreSQL database of its own; time passes by moving what the rows say of it. */
import { Duration, Effect, Layer, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient } from "effect/sql"
import * as ChroniclePostgres from "../../layers/postgres/ChroniclePostgres.ts"
import * as DeliveryStatusPostgres from "../../layers/postgres/DeliveryStatusPostgres.ts"
import * as EntityStorePostgres from "../../layers/postgres/EntityStorePostgres.ts"
import * as FanOutsPostgres from "../../layers/postgres/FanOutsPostgres.ts"
import * as HeartbeatsPostgres from "../../layers/postgres/HeartbeatsPostgres.ts"
import * as IdempotencyPostgres from "../../layers/postgres/IdempotencyPostgres.ts"
import * as InFlightPostgres from "../../layers/postgres/InFlightPostgres.ts"
import * as LeasesPostgres from "../../layers/postgres/LeasesPostgres.ts"
import * as OutboxOverviewPostgres from "../../layers/postgres/OutboxOverviewPostgres.ts"
import * as OutboxPostgres from "../../layers/postgres/OutboxPostgres.ts"
import * as OutboxReportPostgres from "../../layers/postgres/OutboxReportPostgres.ts"
import { layerTransaction } from "../../layers/postgres/PostgresClient.ts"
import * as PresencePostgres from "../../layers/postgres/PresencePostgres.ts"
import * as ProjectionControlPostgres from "../../layers/postgres/ProjectionControlPostgres.ts"
import * as ReconcileStorePostgres from "../../layers/postgres/ReconcileStorePostgres.ts"
import * as SearchBuildsPostgres from "../../layers/postgres/SearchBuildsPostgres.ts"
import * as SearchSourcePostgres from "../../layers/postgres/SearchSourcePostgres.ts"
import * as SessionsPostgres from "../../layers/postgres/SessionsPostgres.ts"
import * as TagNamesPostgres from "../../layers/postgres/TagNamesPostgres.ts"
import * as TraceSignalsPostgres from "../../layers/postgres/TraceSignalsPostgres.ts"
import { Catalog } from "../../src/catalog/Catalog.ts"
import { Projection } from "../../src/outbox/Projection.ts"
import { Backstage } from "./Backstage.ts"
import * as PostgresForTests from "./PostgresForTests.ts"

const hot = ["outbox_search", "outbox_chronicle", "outbox_realtime"]
const finished = ["outbox_done", "outbox_dead"]
const others = [
  "outbox_breakers",
  "outbox_past_attempts",
  "chronicle_entries",
  "idempotency_keys",
  "blocks",
  "fan_outs",
  "removed_entities",
  "trace_keep",
  "trace_rebuilt",
  "realtime_members",
  "realtime_gateways",
  "realtime_messages",
  "realtime_sessions",
  "libraries",
  "tags"
]

/** The times that a row of each table has. */
const times: ReadonlyArray<readonly [table: string, columns: ReadonlyArray<string>]> = [
  ...hot.map((table) => [table, ["created_at", "updated_at", "due_at", "waiting_since"]] as const),
  ...finished.map((table) => [table, ["created_at", "updated_at", "processed_at", "claimed_at"]] as const),
  ["outbox_past_attempts", ["claimed_at", "ended_at"]],
  // What has never been claimed was claimed at minus infinity, and stays there.
  ["outbox_lanes", ["claimed_at", "lease_until"]],
  ["outbox_projections", ["paused_at", "swept_at"]],
  ["outbox_breakers", ["updated_at", "retry_at"]],
  ["removed_entities", ["removed_at"]],
  ["search_reconciles", ["begun_at", "ended_at"]],
  ["realtime_sessions", ["open_until"]],
  ["realtime_gateways", ["seen_at"]],
  ["trace_keep", ["at"]],
  ["trace_rebuilt", ["at"]]
]

const decodeAttempts = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({
  projection: Projection,
  id: Schema.Number,
  attempt: Schema.Int,
  worker: Schema.String,
  outcome: Schema.String,
  error_type: Schema.NullOr(Schema.String)
})))

const backstage = Layer.effect(
  Backstage,
  Effect.map(SqlClient.SqlClient, (sql) =>
    Backstage.of({
      clear: Effect.forEach(
        [
          sql`truncate ${sql.literal([...hot, ...finished, ...others].join(", "))}`,
          sql`update outbox_lanes set token = null, worker = null, lease_until = null, ids = '{}', floor = 0,
          claimed_at = '-infinity'`,
          sql`update outbox_projections set paused_at = null, paused_reason = null, swept_at = '-infinity'`,
          sql`update search_reconciles set begun_at = clock_timestamp(), ended_at = null`
        ],
        Effect.orDie,
        { discard: true }
      ),
      passTime: (duration) => {
        const passed = sql`${Duration.toMillis(Duration.fromInputUnsafe(duration))} * interval '1 millisecond'`
        const moved = times.map(([table, columns]) => {
          const earlier = columns.map((column) => sql`${sql(column)} = ${sql(column)} - ${passed}`)
          return sql`${sql(`${table}_moved`)} as (update ${sql(table)} set ${sql.csv(earlier)})`
        })
        return Effect.orDie(sql`with ${sql.csv(moved)} select`)
      },
      attempts: sql`select projection, event_id::float8 as id, attempt, worker, outcome, error_type
        from outbox_attempts order by ended_at, event_id`.pipe(Effect.flatMap(decodeAttempts), Effect.orDie)
    }))
)

const stores = Layer.mergeAll(
  EntityStorePostgres.layer,
  FanOutsPostgres.layer,
  SearchSourcePostgres.layer,
  SearchBuildsPostgres.layer,
  InFlightPostgres.layer,
  TagNamesPostgres.layer,
  ChroniclePostgres.layer,
  OutboxPostgres.layer,
  OutboxReportPostgres.layer,
  OutboxOverviewPostgres.layer,
  DeliveryStatusPostgres.layer,
  LeasesPostgres.layer,
  HeartbeatsPostgres.layer,
  ProjectionControlPostgres.layer,
  ReconcileStorePostgres.layer,
  TraceSignalsPostgres.layer,
  backstage
)

export const layer = Layer.mergeAll(
  Catalog.layer,
  IdempotencyPostgres.layer,
  SessionsPostgres.layer,
  PresencePostgres.layer
).pipe(
  Layer.provideMerge(stores),
  Layer.provideMerge(layerTransaction),
  Layer.provideMerge(PostgresForTests.layer),
  Layer.provideMerge(SecureRandom.layerWebCrypto)
)
