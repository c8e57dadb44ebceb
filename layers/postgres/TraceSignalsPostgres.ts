/** Signals of kept traces in two small tables, each call a statement of its own. */
import { Duration, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { TraceSignals } from "../../src/telemetry/TraceSignals.ts"
import { booleans, texts } from "./Parameters.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { silent } from "./Statement.ts"

/** Of one look; whoever keeps more at once is in trouble that a part of them shows as well. */
const recentMax = 20_000
const purgedMax = 50_000

const decodeTraces = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ trace_id: Schema.String })))
const decodeSpans = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ span_id: Schema.String })))

export const layer = Layer.effect(
  TraceSignals,
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const purgeOf = (table: string, seconds: number) =>
      sql`delete from ${sql(table)} where ctid = any(array(
        select ctid from ${sql(table)} where at < clock_timestamp() - ${seconds} * interval '1 second'
        order by at limit ${purgedMax} for update skip locked))`
    return TraceSignals.of({
      write: (signals) => {
        // In one order, so that two who tell of the same traces do not wait for each other in a circle.
        const sorted = signals.toSorted((a, b) => a.traceId < b.traceId ? -1 : 1)
        return silent(sql`
          insert into trace_keep (trace_id, found)
          select * from unnest(${texts(sorted.map(({ traceId }) => traceId))},
            ${booleans(sorted.map(({ isFound }) => isFound))})
          on conflict (trace_id) do update set found = true where excluded.found and not trace_keep.found`).pipe(
          orUnavailable,
          Effect.asVoid
        )
      },
      recent: (within) =>
        silent(sql`
          select trace_id from trace_keep
          where at > clock_timestamp() - ${Duration.toSeconds(within)} * interval '1 second'
          order by at desc limit ${recentMax}`).pipe(
          orUnavailable,
          Effect.map((rows) => decodeTraces(rows).map(({ trace_id }) => trace_id))
        ),
      claim: (spans) =>
        silent(sql`
          insert into trace_rebuilt (span_id)
          select span_id from unnest(${texts(spans.map(({ traceId }) => traceId))},
            ${texts(spans.map(({ spanId }) => spanId))}) as wanted (trace_id, span_id)
          where not exists (select from trace_keep where trace_keep.trace_id = wanted.trace_id and found)
          order by span_id
          on conflict do nothing returning span_id`).pipe(
          orUnavailable,
          Effect.map((rows) => new Set(decodeSpans(rows).map(({ span_id }) => span_id)))
        ),
      purge: (olderThan) => {
        const seconds = Duration.toSeconds(olderThan)
        return silent(Effect.andThen(purgeOf("trace_keep", seconds), purgeOf("trace_rebuilt", seconds))).pipe(
          orUnavailable,
          Effect.asVoid
        )
      }
    })
  })
)
