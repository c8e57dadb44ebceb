/** Leaves changes in the outboxes, in the transaction of the business write. */
import { Clock, Effect, Exit, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { Change } from "../../src/domain/Change.ts"
import { Outbox } from "../../src/outbox/Outbox.ts"
import { type Projection, subscribed } from "../../src/outbox/Projection.ts"
import { CurrentRequest } from "../../src/telemetry/CurrentRequest.ts"
import * as EnqueueSpan from "../../src/telemetry/EnqueueSpan.ts"
import { enqueued } from "../../src/telemetry/Metrics.ts"
import { hotTable } from "./OutboxTables.ts"
import { integers, jsons, texts, uuids } from "./Parameters.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { measured, silent } from "./Statement.ts"
import { Announcer, layerAnnouncer } from "./WakeUpsPostgres.ts"

/** Only the chronicle tells what changed; the other outboxes need not carry it. */
const changesFor = (projection: Projection, changes: ReadonlyArray<Change>) =>
  jsons(changes.map((change) => projection === "chronicle" ? change.fields : null))

const columns = `entity_type, entity_id, entity_version, op, library_id, changes, traceparent, tracestate, request_id,
  actor`

/**
 * One change is what a request usually leaves: a row for each outbox in one plain statement. Arrays for its columns,
 * and the putting together of a text, would take longer than the insert.
 */
const oneRowEach = `with ${
  subscribed.map((projection, at) =>
    `${projection}_row as (insert into ${hotTable[projection]} (${columns}) values ($1, $2::uuid, $3, $4, $5::uuid,
      ${projection === "chronicle" ? "$6::jsonb" : "null"}, $${9 + 2 * at}, $${10 + 2 * at}, $7, $8))`
  ).join(", ")
} select`

const valuesOf = (
  { fields, id, kind, libraryId, op, version }: Change,
  spans: ReadonlyArray<EnqueueSpan.EnqueueSpan>,
  { actor, requestId }: CurrentRequest
) => [
  kind,
  id,
  version,
  op,
  libraryId,
  JSON.stringify(fields),
  requestId,
  actor,
  ...spans.flatMap(({ context }) => [context?.traceparent ?? null, context?.tracestate ?? null])
]

export const layer = Layer.effect(
  Outbox,
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const announcer = yield* Announcer

    const rowsFor = (
      projection: Projection,
      changes: ReadonlyArray<Change>,
      spans: ReadonlyArray<EnqueueSpan.EnqueueSpan>,
      request: CurrentRequest
    ) =>
      sql`
        insert into ${sql(hotTable[projection])} (${sql.literal(columns)})
        select kind, id, version, op, library_id, changes, traceparent, tracestate,
          ${request.requestId}::text, ${request.actor}
        from unnest(${texts(changes.map(({ kind }) => kind))}, ${uuids(changes.map(({ id }) => id))},
          ${integers(changes.map(({ version }) => version))}, ${texts(changes.map(({ op }) => op))},
          ${uuids(changes.map(({ libraryId }) => libraryId))}, ${changesFor(projection, changes)}::jsonb[],
          ${texts(spans.map(({ context }) => context?.traceparent ?? null))},
          ${texts(spans.map(({ context }) => context?.tracestate ?? null))})
          as new (kind, id, version, op, library_id, changes, traceparent, tracestate)`

    /** One statement for all outboxes: a round trip is most of what an append costs. */
    const append = Effect.fnUntraced(function*(changes: ReadonlyArray<Change>, to: ReadonlyArray<Projection>) {
      const request = yield* CurrentRequest
      const spans = yield* Effect.forEach(
        to,
        (projection) => Effect.forEach(changes, () => EnqueueSpan.make(projection))
      )
      const part = (projection: Projection, at: number) =>
        sql`${sql(`${projection}_rows`)} as (${rowsFor(projection, changes, spans[at]!, request)})`
      const [first] = changes
      const insert = changes.length === 1 && first !== undefined && to === subscribed
        ? sql.unsafe(oneRowEach, valuesOf(first, spans.map(([span]) => span!), request))
        : sql`with ${sql.csv(to.map(part))} select`
      const exit = yield* Effect.exit(silent(insert))
      const endedAt = yield* Clock.currentTimeNanos
      for (const { span } of spans.flat()) span.end(endedAt, Exit.asVoid(exit))
      yield* exit
      for (const projection of to) {
        yield* enqueued.add({ projection }, changes.length)
      }
    })

    return Outbox.of({
      append: (changes, to = subscribed) =>
        changes.length === 0
          ? Effect.void
          : append(changes, to).pipe(
            Effect.andThen(announcer.announce),
            measured("create", "outbox"),
            orUnavailable
          )
    })
  })
).pipe(Layer.provide(layerAnnouncer))
