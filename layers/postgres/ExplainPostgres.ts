/** What PostgreSQL knows of a change: some bounded look-ups by index, whatever waits and whatever is finished. */
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { Asked } from "../../src/explain/Asked.ts"
import { type ChangeFacts, changesMax, ExplainFacts, type RowDetails, rowKey, rowOf } from "../../src/explain/Facts.ts"
import { Projection } from "../../src/outbox/Projection.ts"
import { type Entity, findChanges, findEntities, type Found } from "./ExplainFind.ts"
import { detailsOf, lookUpRows } from "./ExplainRows.ts"
import { lookUpProjections } from "./ExplainSystem.ts"
import { micros } from "./OutboxTables.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { silent } from "./Statement.ts"

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const detailed = Effect.fnUntraced(function*(change: Omit<ChangeFacts, "details" | "recorded">) {
    const [entry] = yield* silent(sql`select from chronicle_entries
      where entity_id = ${change.id}::uuid and version = ${change.version}`)
    const rows = Projection.literals.map((projection) => rowOf(change, projection)).filter((row) => row !== undefined)
    const details = yield* Effect.forEach(
      rows,
      (row) => Effect.map(detailsOf(sql, row, change.id), (of): readonly [string, RowDetails] => [rowKey(row), of]),
      { concurrency: 2 }
    )
    return { ...change, recorded: entry !== undefined, details: new Map(details) } satisfies ChangeFacts
  })

  const factsOf = Effect.fnUntraced(function*(
    found: ReadonlyArray<Found>,
    entities: ReadonlyMap<string, Entity>
  ) {
    const wanted = found.map(({ event, id, version }) => ({
      id,
      version: version ?? entities.get(id)?.version ?? 0,
      event: event?.id ?? null
    }))
    const rows = found.length === 0 ? [] : yield* lookUpRows(sql, wanted)
    const changes = found.flatMap(
      ({ event, id, kind, version }, at): ReadonlyArray<Omit<ChangeFacts, "details" | "recorded">> => {
        const known = entities.get(id)
        const entity = known?.kind === kind ? known : undefined
        const told = version ?? entity?.version ?? Math.max(0, ...rows[at]!.map((row) => row.version))
        return told === 0 || (known !== undefined && entity === undefined)
          ? []
          : [{ kind, id, version: told, event, entity, rows: rows[at]! }]
      }
    )
    return yield* Effect.forEach(changes, detailed)
  })

  const gather = Effect.fnUntraced(function*(asked: Asked) {
    const [clock] = yield* silent(sql<{ readonly at: number }>`
      select ${sql.literal(micros("clock_timestamp()"))} as at`)
    const all = "id" in asked && asked.by !== "event"
      ? [{ kind: asked.by, id: asked.id, version: null, event: null }]
      : yield* findChanges(sql, asked)
    const found = all.slice(0, changesMax)
    const entities = found.length === 0 ? new Map() : yield* findEntities(sql, found.map(({ id }) => id))
    const [changes, projections] = yield* Effect.all([factsOf(found, entities), lookUpProjections(sql)], {
      concurrency: 2
    })
    return { at: clock!.at, changes, more: all.length > changesMax, projections }
  })

  return ExplainFacts.of({ gather: (asked) => orUnavailable(gather(asked)) })
})

export const layer = Layer.effect(ExplainFacts, make)
