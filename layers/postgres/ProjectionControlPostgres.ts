/** Pauses and breakers as rows that every worker reads: no worker has to be reached for it to hold. */
import { DateTime, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Projection } from "../../src/outbox/Projection.ts"
import { type BreakerNote, ProjectionControl, type ProjectionState } from "../../src/outbox/ProjectionControl.ts"
import { breakersMax, forgottenAfterMinutes, keptNote, keptReason } from "../../src/outbox/ProjectionStatus.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { silent, statement } from "./Statement.ts"
import { channel } from "./WakeUpsPostgres.ts"

const Paused = Schema.Struct({
  projection: Projection,
  paused_at: Schema.NullOr(Schema.DateTimeUtcFromDate),
  paused_reason: Schema.NullOr(Schema.String)
})
const decodePaused = Schema.decodeUnknownSync(Schema.Array(Paused))

const Breaker = Schema.Struct({
  projection: Projection,
  worker: Schema.String,
  state: Schema.Literals(["open", "half_open"]),
  error_type: Schema.String,
  error_detail: Schema.String,
  retry_at: Schema.DateTimeUtcFromDate
})
const decodeBreakers = Schema.decodeUnknownSync(Schema.Array(Breaker))

const stateOf = (
  projection: Projection,
  paused: ReadonlyArray<typeof Paused.Type>,
  breakers: ReadonlyArray<typeof Breaker.Type>
): ProjectionState => {
  const said = paused.find((one) => one.projection === projection)
  const pausedAt = said?.paused_at ?? null
  return {
    projection,
    pausedAt: pausedAt === null ? null : DateTime.formatIso(pausedAt),
    pausedReason: said?.paused_reason ?? null,
    breakers: breakers.filter((one) => one.projection === projection).map((one) => ({
      worker: one.worker,
      state: one.state,
      errorType: one.error_type,
      detail: one.error_detail,
      retryAt: DateTime.formatIso(one.retry_at)
    }))
  }
}

/** Workers get a new name with each start, so what the dead ones left is removed by those that live. */
const upsert = (sql: SqlClient.SqlClient, projection: Projection, worker: string, note: BreakerNote) => {
  const { detail, errorType, retryInMs, state } = keptNote(note)
  return sql`
    with old as materialized (
      select projection, worker from outbox_breakers
      where retry_at < clock_timestamp() - ${forgottenAfterMinutes} * interval '1 minute'
        and (projection, worker) <> (${projection}, ${worker})
      limit ${breakersMax} for update skip locked
    ), gone as (
      delete from outbox_breakers where (projection, worker) in (select projection, worker from old)
    )
    insert into outbox_breakers (projection, worker, state, error_type, error_detail, retry_at)
    values (${projection}, ${worker}, ${state}, ${errorType}, ${detail},
      clock_timestamp() + ${retryInMs} * interval '1 millisecond')
    on conflict (projection, worker) do update set state = excluded.state, error_type = excluded.error_type,
      error_detail = excluded.error_detail, retry_at = excluded.retry_at, updated_at = clock_timestamp()`
}

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const pause = (projection: Projection, reason: string | null) =>
    sql`
      insert into outbox_projections (projection, paused_at, paused_reason)
      values (${projection}, clock_timestamp(), ${keptReason(reason)})
      on conflict (projection) do update set paused_at = excluded.paused_at, paused_reason = excluded.paused_reason
      where outbox_projections.paused_at is null
      returning projection`

  const resume = (projection: Projection) =>
    sql`
      with resumed as (
        update outbox_projections set paused_at = null, paused_reason = null
        where projection = ${projection} and paused_at is not null returning projection
      ) select projection, pg_notify(${channel}, '') from resumed`

  const paused = sql`select projection, paused_at, paused_reason from outbox_projections`

  // A worker that is killed and starts again under the same name begins with a closed breaker, and does not say so.
  const breakers = sql`
    select shown.* from outbox_projections as told
    cross join lateral (
      select * from outbox_breakers as breaker
      where breaker.projection = told.projection
        and breaker.retry_at > clock_timestamp() - ${forgottenAfterMinutes} * interval '1 minute'
        and exists (select from outbox_workers where id = breaker.worker and started_at <= breaker.updated_at)
      order by breaker.worker limit ${breakersMax}
    ) as shown`

  return ProjectionControl.of({
    pause: (projection, reason) =>
      Effect.asVoid(orUnavailable(statement("update", "outbox", pause(projection, reason)))),
    resume: (projection) => Effect.asVoid(orUnavailable(statement("update", "outbox", resume(projection)))),
    tell: (projection, worker, note) => {
      const told = note === null
        ? sql`delete from outbox_breakers where projection = ${projection} and worker = ${worker}`
        : upsert(sql, projection, worker, note)
      return Effect.asVoid(orUnavailable(silent(told)))
    },
    states: orUnavailable(silent(Effect.gen(function*() {
      const [said, open] = [decodePaused(yield* paused), decodeBreakers(yield* breakers)]
      return Projection.literals.map((projection) => stateOf(projection, said, open))
    })))
  })
})

export const layer = Layer.effect(ProjectionControl, make)
