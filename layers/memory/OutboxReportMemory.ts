/** What people ask about the outboxes, counted from the store's rows. */
import { DateTime, Effect, HashMap, Layer } from "effect"
import { CursorInvalid, toPage } from "../../src/domain/Paging.ts"
import { parseTraceparent } from "../../src/domain/TraceContext.ts"
import type { DatabaseMicros } from "../../src/outbox/Leases.ts"
import {
  type DeadGroup,
  deadGroupsMax,
  deadSample,
  type EventFilter,
  type OutboxEvent,
  OutboxReport,
  type ReplayFilter,
  type Status
} from "../../src/outbox/OutboxReport.ts"
import { Projection } from "../../src/outbox/Projection.ts"
import { type Claim, inFlight } from "./Lanes.ts"
import { replayed, type Row } from "./OutboxRow.ts"
import { percentile } from "./Percentile.ts"
import { type Contents, databaseNow, Store } from "./StoreMemory.ts"

/** A row, and who has it now. */
interface Shown extends Row {
  readonly claim: Claim | undefined
}

const shownOf = ({ lanes, rows }: Contents): ReadonlyArray<Shown> => {
  const claims = inFlight(lanes)
  return HashMap.toValues(rows).map((row) => ({ ...row, claim: claims.get(row.id) }))
}

const statusOf = ({ claim, state }: Shown): Status =>
  state._tag === "Finished" ? state.as : claim === undefined ? "pending" : "processing"

const timeOf = (at: DatabaseMicros) => DateTime.makeUnsafe(at / 1_000)

const eventOf = (row: Shown): OutboxEvent => {
  const { change, claim, error, state } = row
  return {
    projection: row.projection,
    id: row.id,
    entity_type: change.kind,
    entity_id: change.id,
    entity_version: change.version,
    op: change.op,
    status: statusOf(row),
    attempts: claim === undefined ? row.attempts : row.attempts + 1,
    next_attempt_at: state._tag === "Finished" ? null : timeOf(row.readyAt),
    lease_owner: claim?.worker ?? null,
    lease_until: claim === undefined ? null : timeOf(claim.until),
    error_type: error?.type ?? null,
    error_detail: error?.detail ?? null,
    traceparent: row.trace?.traceparent ?? null,
    tracestate: row.trace?.tracestate ?? null,
    trace_id: parseTraceparent(row.trace?.traceparent)?.traceId ?? null,
    request_id: row.request.requestId,
    created_at: timeOf(row.createdAt),
    updated_at: timeOf(row.updatedAt),
    processed_at: state._tag === "Finished" ? timeOf(state.at) : null
  }
}

/** The order in which they are shown. */
const newestFirst = (a: Row, b: Row) =>
  b.createdAt - a.createdAt || (a.projection === b.projection ? b.id - a.id : a.projection < b.projection ? 1 : -1)

const isAskedFor = (filter: EventFilter) => (row: Shown) =>
  (filter.projection === undefined || filter.projection === row.projection) &&
  (filter.status === undefined || filter.status === statusOf(row)) &&
  (filter.entity_id === undefined || filter.entity_id === row.change.id) &&
  (filter.trace_id === undefined || filter.trace_id === parseTraceparent(row.trace?.traceparent)?.traceId) &&
  (filter.error_type === undefined || filter.error_type === row.error?.type)

const isReplayed = (filter: ReplayFilter) => (row: Shown) => {
  const status = statusOf(row)
  const wanted = filter.status ?? (filter.id === undefined || status !== "done" ? "dead" : "done")
  const created = row.createdAt / 1_000
  return row.projection === filter.projection && status === wanted &&
    (filter.id === undefined || filter.id === row.id) &&
    (filter.error_type === undefined || filter.error_type === row.error?.type) &&
    (filter.after === undefined || created >= Date.parse(filter.after)) &&
    (filter.before === undefined || created < Date.parse(filter.before))
}

const seconds = 1_000_000
const lagSample = 1_000
const paceMicros = 60 * seconds

/** Rows finished per second: over a minute, or over the newest if those alone are younger. */
const paceOf = (finishedAt: ReadonlyArray<DatabaseMicros>, now: DatabaseMicros) => {
  const oldest = Math.min(...finishedAt)
  const over = finishedAt.length < lagSample ? paceMicros : Math.min(paceMicros, Math.max(1_000, now - oldest))
  return finishedAt.filter((at) => now - at <= paceMicros).length / (over / seconds)
}

const statsOf = (projection: Projection, all: ReadonlyArray<Shown>, now: DatabaseMicros) => {
  const rows = all.filter((row) => row.projection === projection).toSorted(newestFirst)
  const having = (status: Status) => rows.filter((row) => statusOf(row) === status)
  const recent = having("done").toSorted((a, b) => b.id - a.id).slice(0, lagSample)
  const lags = recent.map(({ createdAt, updatedAt }) => (updatedAt - createdAt) / seconds)
  const oldest = having("pending").at(-1)
  return {
    projection,
    pending: having("pending").length,
    processing: having("processing").length,
    done: having("done").length,
    dead: having("dead").length,
    oldest_pending_age_seconds: oldest === undefined ? 0 : (now - oldest.createdAt) / seconds,
    lag_seconds: { p50: percentile(lags, 0.5), p95: percentile(lags, 0.95), p99: percentile(lags, 0.99) },
    finished_per_second: paceOf(recent.map(({ updatedAt }) => updatedAt), now)
  }
}

/** What there is to see of each outbox. */
export const glances = ({ contents, now }: { readonly contents: Contents; readonly now: DatabaseMicros }) => {
  const all = shownOf(contents)
  return Projection.literals.map((projection) => statsOf(projection, all, now))
}

const groupsOf = (projection: Projection, all: ReadonlyArray<Shown>): ReadonlyArray<DeadGroup> => {
  const dead = all.filter((row) => row.projection === projection && statusOf(row) === "dead")
    .toSorted((a, b) => b.id - a.id).slice(0, deadSample)
  return [...Map.groupBy(dead, ({ error }) => error?.type ?? null)]
    .map(([error_type, rows]) => {
      const byTime = rows.toSorted((a, b) => a.updatedAt - b.updatedAt || a.id - b.id)
      const newest = byTime.at(-1)!
      return {
        projection,
        error_type,
        count: rows.length,
        oldest_at: timeOf(byTime[0]!.updatedAt),
        newest_at: timeOf(newest.updatedAt),
        newest_detail: newest.error?.detail ?? null
      }
    })
    .toSorted((a, b) => b.count - a.count || ((a.error_type ?? "~") < (b.error_type ?? "~") ? -1 : 1))
    .slice(0, deadGroupsMax)
}

export const layer = Layer.effect(
  OutboxReport,
  Effect.gen(function*() {
    const store = yield* Store
    const rows = Effect.map(store.read, shownOf)

    return OutboxReport.of({
      stats: Effect.gen(function*() {
        const all = glances({ contents: yield* store.read, now: yield* databaseNow })
        return all.map(({ finished_per_second: _pace, ...stats }) => stats)
      }),

      events: Effect.fnUntraced(function*(filter, limit, cursor) {
        const all = yield* rows
        const last = cursor === undefined ? undefined : all.find(({ id }) => String(id) === cursor)
        if (cursor !== undefined && last === undefined) return yield* new CursorInvalid()
        const found = all.filter(isAskedFor(filter)).toSorted(newestFirst)
          .filter((row) => last === undefined || newestFirst(last, row) < 0)
        const page = toPage(found.slice(0, limit + 1), limit, ({ id }) => String(id))
        return { ...page, items: page.items.map(eventOf) }
      }),

      deadGroups: Effect.map(rows, (all) => Projection.literals.flatMap((projection) => groupsOf(projection, all))),

      replay: (filter) =>
        store.run(Effect.gen(function*() {
          const contents = yield* store.read
          const now = yield* databaseNow
          const again = (yield* rows).filter(isReplayed(filter)).map(({ claim: _claim, ...row }) => replayed(row, now))
          const changed = again.map((row) => [row.id, row] as const)
          yield* store.write({ ...contents, rows: HashMap.setMany(contents.rows, changed) })
          return again.length
        }))
    })
  })
)
