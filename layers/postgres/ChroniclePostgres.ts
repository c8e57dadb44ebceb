/** The chronicle in PostgreSQL: its key (entity, version) is what makes an entry appear once. */
import { DateTime, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Chronicle, ChronicleEntry } from "../../src/chronicle/Chronicle.ts"
import { toPage } from "../../src/domain/Paging.ts"
import { cursor } from "./Cursor.ts"
import { micros, timeOf } from "./OutboxTables.ts"
import { integers, jsons, texts, uuids } from "./Parameters.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { silent, statement } from "./Statement.ts"

const Row = Schema.Struct({
  ...ChronicleEntry.fields,
  at: Schema.DateTimeUtcFromDate,
  seq: Schema.BigInt,
  at_micros: Schema.Int
})
const decodeRows = Schema.decodeUnknownSync(Schema.Array(Row))

/** Newest first; the sequence parts entries of the same microsecond. */
const position = cursor(Schema.Struct({ at: Schema.Int, seq: Schema.Int }))

const byKey = (a: ChronicleEntry, b: ChronicleEntry) =>
  a.entity_id === b.entity_id ? a.version - b.version : a.entity_id < b.entity_id ? -1 : 1

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const append = Effect.fnUntraced(function*(entries: ReadonlyArray<ChronicleEntry>) {
    // Keys are always taken in the same order, so that two workers cannot wait for each other.
    const ordered = entries.toSorted(byKey)
    const added = yield* silent(sql<{ readonly key: string }>`
      insert into chronicle_entries (entity_type, entity_id, version, op, actor, changes, at, request_id, trace_id)
      select * from unnest(${texts(ordered.map((entry) => entry.entity_type))},
        ${uuids(ordered.map((entry) => entry.entity_id))}, ${integers(ordered.map((entry) => entry.version))},
        ${texts(ordered.map((entry) => entry.op))}, ${texts(ordered.map((entry) => entry.actor))},
        ${jsons(ordered.map((entry) => entry.changes))}::jsonb[],
        ${texts(ordered.map((entry) => DateTime.formatIso(entry.at)))}::timestamptz[],
        ${texts(ordered.map((entry) => entry.request_id))}, ${texts(ordered.map((entry) => entry.trace_id))})
      on conflict (entity_id, version) do nothing
      returning entity_id || ':' || version as key`)
    const keys = new Set(added.map(({ key }) => key))
    return entries.map((entry) => keys.delete(`${entry.entity_id}:${entry.version}`))
  })

  const read = Effect.fnUntraced(function*(
    filter: Parameters<Chronicle["Service"]["read"]>[0],
    limit: number,
    after: string | undefined
  ) {
    const from = yield* position.decode(after)
    const conditions = [
      ...(filter.entity_type === undefined ? [] : [sql`entity_type = ${filter.entity_type}`]),
      ...(filter.entity_id === undefined ? [] : [sql`entity_id = ${filter.entity_id}::uuid`]),
      ...(from === undefined ? [] : [sql`(at, seq) < (${timeOf(sql, from.at)}, ${from.seq}::bigint)`])
    ]
    const rows = yield* statement(
      "query",
      "chronicle_entries",
      sql`
      select *, ${sql.literal(micros("at"))} as at_micros from chronicle_entries
      where ${conditions.length === 0 ? sql`true` : sql.and(conditions)}
      order by at desc, seq desc limit ${limit + 1}`
    )
    const page = toPage(
      decodeRows(rows),
      limit,
      ({ at_micros, seq }) => position.encode({ at: at_micros, seq: Number(seq) })
    )
    return { ...page, items: page.items.map(({ at_micros: _micros, seq: _seq, ...entry }) => entry) }
  })

  return Chronicle.of({
    append: (entries) => entries.length === 0 ? Effect.succeed([]) : orUnavailable(append(entries)),
    read: (filter, limit, after) => orUnavailable(read(filter, limit, after))
  })
})

export const layer = Layer.effect(Chronicle, make)
