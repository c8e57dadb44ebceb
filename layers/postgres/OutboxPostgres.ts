/** Leaves changes in the outboxes, in the transaction of the business write. */
import { Clock, Effect, Exit, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { Change } from "../../src/domain/Change.ts"
import { type Cause, Outbox } from "../../src/outbox/Outbox.ts"
import { type Projection, subscribed } from "../../src/outbox/Projection.ts"
import { CurrentRequest } from "../../src/telemetry/CurrentRequest.ts"
import * as EnqueueSpan from "../../src/telemetry/EnqueueSpan.ts"
import { enqueued } from "../../src/telemetry/Metrics.ts"
import { hotTable } from "./OutboxTables.ts"
import { integers, jsons, texts, uuids } from "./Parameters.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { measured, silent } from "./Statement.ts"
import { Announcer, layerAnnouncer } from "./WakeUpsPostgres.ts"

/** Search reads the entity as it is; only the others tell what changed. */
const changesFor = (projection: Projection, changes: ReadonlyArray<Change>) =>
  jsons(changes.map((change) => projection === "search" ? null : change.fields))

/**
 * Who has an entity, or its library, open hears of its change; most changes nobody looks at, and they leave no row for
 * it. Asked in the statement that leaves the others, since a round trip is most of what an append costs.
 */
const isWatched = (id: string, library: string) =>
  `exists (select from realtime_sessions where id in (${id}, ${library}) and open_until > clock_timestamp())`

const columns = `entity_type, entity_id, entity_version, op, library_id, changes, traceparent, tracestate, request_id,
  actor`

/**
 * One change is what a request usually leaves: a row for each outbox in one plain statement. Arrays for its columns,
 * and the putting together of a text, would take longer than the insert.
 */
const oneRowEach = `with ${
  subscribed.map((projection, at) =>
    `${projection}_row as (insert into ${hotTable[projection]} (${columns}) values ($1, $2::uuid, $3, $4, $5::uuid,
      ${projection === "chronicle" ? "$6::jsonb" : "null"}, $${9 + 2 * at}, $${10 + 2 * at}, $7, $8) returning id)`
  ).join(", ")
} select ${
  subscribed.map((projection) => `array(select id::float8 from ${projection}_row) as ${projection}`).join(", ")
},
  array(select $2::uuid::text where ${isWatched("$2::uuid", "$5::uuid")}) as watched`

/** The numbers of the new rows, in the order of their changes, and the entities that somebody has open. */
type Left = Readonly<Record<Projection | "watched", ReadonlyArray<number | string>>>

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
      requests: ReadonlyArray<CurrentRequest>
    ) =>
      sql`
        insert into ${sql(hotTable[projection])} (${sql.literal(columns)})
        select kind, id, version, op, library_id, changes, traceparent, tracestate, request_id, actor
        from unnest(${texts(changes.map(({ kind }) => kind))}, ${uuids(changes.map(({ id }) => id))},
          ${integers(changes.map(({ version }) => version))}, ${texts(changes.map(({ op }) => op))},
          ${uuids(changes.map(({ libraryId }) => libraryId))}, ${changesFor(projection, changes)}::jsonb[],
          ${texts(spans.map(({ context }) => context?.traceparent ?? null))},
          ${texts(spans.map(({ context }) => context?.tracestate ?? null))},
          ${texts(requests.map(({ requestId }) => requestId))}, ${texts(requests.map(({ actor }) => actor))})
          as new (kind, id, version, op, library_id, changes, traceparent, tracestate, request_id, actor)
        returning id`

    const numbered = (projection: Projection) =>
      sql`array(select id::float8 from ${sql(`${projection}_rows`)} order by id) as ${sql(projection)}`

    /** One statement for all outboxes: a round trip is most of what an append costs. */
    const append = Effect.fnUntraced(function*(
      changes: ReadonlyArray<Change>,
      to: ReadonlyArray<Projection>,
      causes: ReadonlyArray<Cause> | undefined
    ) {
      const request = yield* CurrentRequest
      const requests = causes?.map((cause) => cause.request) ?? changes.map(() => request)
      const spans = yield* Effect.forEach(
        to,
        (projection) => Effect.forEach(changes, (_, at) => EnqueueSpan.make(projection, causes?.[at]?.span))
      )
      const part = (projection: Projection, at: number) =>
        sql`${sql(`${projection}_rows`)} as (${rowsFor(projection, changes, spans[at]!, requests)})`
      const [first] = changes
      const insert = changes.length === 1 && first !== undefined && to === subscribed
        ? sql.unsafe<Left>(oneRowEach, valuesOf(first, spans.map(([span]) => span!), requests[0]!))
        : sql<Left>`with ${sql.csv(to.map(part))} select ${sql.csv(to.map(numbered))}, ${
          to === subscribed
            ? sql`array(select id::text from unnest(${uuids(changes.map(({ id }) => id))},
                ${uuids(changes.map(({ libraryId }) => libraryId))}) as new (id, library_id)
              where ${sql.literal(isWatched("new.id", "new.library_id"))})`
            : sql`'{}'::text[]`
        } as watched`
      const exit = yield* Effect.exit(silent(insert))
      const endedAt = yield* Clock.currentTimeNanos
      for (const { span } of spans.flat()) span.end(endedAt, Exit.asVoid(exit))
      const [left] = yield* exit
      const isTold = EnqueueSpan.isTold(changes, causes)
      for (const [at, projection] of to.entries()) {
        yield* enqueued.add({ projection }, changes.length)
        if (!isTold) continue
        spans[at]!.forEach((span, nth) => EnqueueSpan.queued(span, projection, Number(left![projection][nth]), endedAt))
      }
      const watched = new Set(left!.watched)
      return changes.filter(({ id }) => watched.has(id))
    })

    const appendAll = Effect.fnUntraced(function*(
      changes: ReadonlyArray<Change>,
      to: ReadonlyArray<Projection>,
      causes: ReadonlyArray<Cause> | undefined
    ) {
      const watched = new Set(yield* append(changes, to, causes))
      const isWatched = (_: unknown, at: number) => watched.has(changes[at]!)
      if (watched.size > 0) yield* append(changes.filter(isWatched), ["realtime"], causes?.filter(isWatched))
    })

    return Outbox.of({
      append: (changes, to = subscribed, causes) =>
        changes.length === 0
          ? Effect.void
          : appendAll(changes, to, causes).pipe(
            Effect.andThen(announcer.announce),
            measured("create", "outbox"),
            orUnavailable
          )
    })
  })
).pipe(Layer.provide(layerAnnouncer))
