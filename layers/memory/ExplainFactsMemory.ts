/** What the store in memory knows of a change: the same facts, counted one by one. */
import { DateTime, Effect, HashMap, Layer, Option } from "effect"
import { entityKindOf } from "../../src/domain/Change.ts"
import type { EntityId } from "../../src/domain/Entity.ts"
import { parseTraceparent } from "../../src/domain/TraceContext.ts"
import type { Asked } from "../../src/explain/Asked.ts"
import {
  aheadMax,
  type AttemptFacts,
  attemptsMax,
  type ChangeFacts,
  changesMax,
  type EntityFacts,
  ExplainFacts,
  type ProjectionFacts,
  recentMax,
  recentMinutes,
  type RowDetails,
  type RowFacts,
  rowKey,
  rowOf,
  rowsMax
} from "../../src/explain/Facts.ts"
import type { DatabaseMicros } from "../../src/outbox/Leases.ts"
import { isOrdered, Projection } from "../../src/outbox/Projection.ts"
import { inFlight, laneOf } from "./Lanes.ts"
import type { Attempt, Row } from "./OutboxRow.ts"
import { percentile } from "./Percentile.ts"
import { entityIn, stateOf } from "./SearchSourceMemory.ts"
import { type Contents, databaseNow, Store } from "./StoreMemory.ts"

const isOpen = ({ state }: Row) => state._tag !== "Finished"
const wasTried = ({ state }: Row) => state._tag === "Waiting" || state._tag === "Alone"

const factsOf = (contents: Contents) => (row: Row): RowFacts => {
  const { change, error, request, state } = row
  const mine = inFlight(contents.lanes).get(row.id)
  const lane = contents.lanes.find((each) => each.projection === row.projection && each.lane === laneOf(change.id))
  const claimOf = (claim: typeof mine | null) =>
    claim === undefined || claim === null
      ? null
      : { worker: claim.worker, claimedAt: claim.claimedAt, until: claim.until }
  const open = isOpen(row)
  return {
    projection: row.projection,
    id: row.id,
    version: change.version,
    op: change.op,
    state: state._tag === "Finished"
      ? state.as
      : state._tag === "Fresh"
      ? "fresh"
      : wasAlone(row)
      ? "alone"
      : "waiting",
    attempts: row.attempts,
    dueAt: open ? row.readyAt : null,
    waitingSince: open ? row.waitingSince : null,
    reclaimed: open && row.reclaimed,
    claim: claimOf(mine),
    laneClaim: open && mine === undefined ? claimOf(lane?.claim) : null,
    errorType: error?.type ?? null,
    detail: error?.detail ?? null,
    traceId: parseTraceparent(row.trace?.traceparent)?.traceId ?? null,
    requestId: request.requestId,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
    processedAt: state._tag === "Finished" ? state.at : null
  }
}

const wasAlone = ({ state }: Row) => state._tag === "Alone"

const attemptOf = (attempt: Attempt): AttemptFacts => ({
  attempt: attempt.attempt,
  worker: attempt.worker,
  claimedAt: attempt.claimedAt,
  endedAt: attempt.endedAt,
  outcome: attempt.outcome,
  errorType: attempt.errorType,
  detail: attempt.detail,
  dueAt: attempt.dueAt,
  loadMs: attempt.spent?.loadMs ?? null,
  engineMs: attempt.spent?.engineMs ?? null
})

const aheadOf = (contents: Contents, row: Row, now: DatabaseMicros): number => {
  const others = HashMap.toValues(contents.rows).filter((each) =>
    each.projection === row.projection && each.id !== row.id
  )
  const taken = inFlight(contents.lanes)
  const waiting = others.filter((each) => isOpen(each) && !taken.has(each.id))
  const before = isOpen(row)
    ? waiting.filter((each) =>
      each.state._tag === "Fresh" ? each.id < row.id : each.state._tag === "Waiting" && each.readyAt <= now
    )
    : others.filter((each) =>
      each.id < row.id && each.state._tag === "Finished" && each.state.as === "done" && each.state.at > row.createdAt
    )
  return Math.min(aheadMax + 1, before.length)
}

const earlierThan = (contents: Contents, row: Row): RowDetails["earlier"] => {
  const earlier =
    HashMap.toValues(contents.rows).filter((each) =>
      each.projection === row.projection && each.change.id === row.change.id && wasTried(each) && each.id < row.id
    ).toSorted((a, b) => a.id - b.id)[0]
  return earlier === undefined || !isOrdered[row.projection] || !isOpen(row)
    ? null
    : { id: earlier.id, version: earlier.change.version, dueAt: earlier.readyAt }
}

const detailsOf = (contents: Contents, facts: RowFacts, now: DatabaseMicros): RowDetails => {
  const row = Option.getOrThrow(HashMap.get(contents.rows, facts.id))
  const attempts = contents.attempts.filter((each) => each.id === row.id && each.projection === row.projection)
  return {
    attempts: attempts.slice(-attemptsMax).map(attemptOf),
    ahead: facts.state === "dead" || facts.claim !== null ? 0 : aheadOf(contents, row, now),
    earlier: earlierThan(contents, row)
  }
}

const entityOf = (contents: Contents, id: EntityId): (EntityFacts & { readonly kind: string }) | undefined => {
  const write = stateOf(contents, id)
  if (write === undefined) return undefined
  const present = entityIn(contents, id)?.entity
  const removed = Option.getOrUndefined(HashMap.get(contents.removed, id))
  const shown = present !== undefined && "title" in present ? [present.library_id, ...present.tag_ids] : [id]
  return {
    kind: write.kind,
    version: write.version,
    revision: write.revision,
    removed: write.document === null,
    title: write.document?.title ?? null,
    changedAt: present === undefined ? removed!.at : DateTime.toEpochMillis(present.updated_at) * 1_000,
    fanOuts: contents.fanOuts.filter((each) => shown.includes(each.id)).length
  }
}

type Found = Pick<ChangeFacts, "kind" | "id" | "event"> & { readonly version: number | null }

const foundBy = (contents: Contents, asked: Asked): ReadonlyArray<Found> => {
  if (asked.by !== "event" && "id" in asked) return [{ kind: asked.by, id: asked.id, version: null, event: null }]
  const rows = HashMap.toValues(contents.rows).filter(({ change }) => change.kind !== "session")
    .toSorted((a, b) => a.id - b.id)
  const toFound = ({ change: { id, kind, version } }: Row): Found => ({
    kind: entityKindOf(kind),
    id,
    version,
    event: null
  })
  if (asked.by === "event") {
    return rows.filter((row) => row.id === asked.id && row.projection === asked.projection)
      .map((row) => ({ ...toFound(row), event: { projection: row.projection, id: row.id } }))
  }
  const found = rows.filter((row) => {
    const { requestId, traceId } = factsOf(contents)(row)
    return (asked.by === "request_id" ? requestId : traceId) === asked.value
  }).map(toFound)
  return [...new Map(found.map((each) => [`${each.id} ${each.version}`, each])).values()]
}

const recentOf = (contents: Contents, done: ReadonlyArray<RowFacts>, now: DatabaseMicros) => {
  if (done.length === 0) return null
  const lags = done.map(({ createdAt, processedAt }) => (processedAt! - createdAt) / 1_000)
  const engines = contents.attempts.filter((each) =>
    each.errorType === null && done.some((row) => row.id === each.id && row.projection === each.projection)
  ).flatMap(({ spent }) => spent === null ? [] : [spent.engineMs])
  const since = Math.max(1_000, now - Math.min(...done.map(({ processedAt }) => processedAt!)))
  return {
    rows: done.length,
    perSecond: done.length / (since / 1e6),
    lagP50Ms: percentile(lags, 0.5),
    lagP95Ms: percentile(lags, 0.95),
    engineP50Ms: engines.length === 0 ? null : percentile(engines, 0.5),
    engineP95Ms: engines.length === 0 ? null : percentile(engines, 0.95)
  }
}

const failuresOf = (contents: Contents, projection: Projection, now: DatabaseMicros) => {
  const late = contents.attempts.filter((each) =>
    each.projection === projection && each.errorType !== null && each.endedAt > now - recentMinutes * 60_000_000
  )
  const throttled = late.filter(({ errorType }) => errorType?.endsWith("_429") === true).length
  const lost = late.filter(({ outcome }) => outcome === "lease_lost").length
  return { throttled, lost, other: late.length - throttled - lost }
}

const projectionOf = (
  contents: Contents,
  projection: Projection,
  now: DatabaseMicros,
  living: ReadonlySet<string>
): ProjectionFacts => {
  const paused = Option.getOrUndefined(HashMap.get(contents.paused, projection))
  const rows = HashMap.toValues(contents.rows).filter((row) => row.projection === projection).map(factsOf(contents))
  const waiting = rows.filter((row) => row.processedAt === null && row.claim === null)
  const done = rows.filter((row) => row.state === "done").toSorted((a, b) => b.id - a.id).slice(0, recentMax)
  return {
    projection,
    pausedAt: paused?.at ?? null,
    pausedReason: paused?.reason ?? null,
    workers: [...living].map((id) => ({ id, startedAt: 0 })),
    breakers: contents.breakers.filter((each) => each.projection === projection && living.has(each.worker)).map((
      { note, toldAt, worker }
    ) => ({
      worker,
      state: note.state,
      errorType: note.errorType,
      detail: note.detail,
      retryAt: toldAt + note.retryInMs * 1_000
    })),
    oldestAgeMs: Math.max(0, ...waiting.map(({ createdAt }) => (now - createdAt) / 1_000)),
    recent: recentOf(contents, done, now),
    failures: failuresOf(contents, projection, now)
  }
}

/** `living`: the workers that run. */
export const layer = (living: ReadonlySet<string> = new Set()) =>
  Layer.effect(
    ExplainFacts,
    Effect.map(Store, (store) =>
      ExplainFacts.of({
        gather: Effect.fnUntraced(function*(asked) {
          const [contents, now] = [yield* store.read, yield* databaseNow]
          const all = foundBy(contents, asked)
          const changes = all.slice(0, changesMax).flatMap(
            ({ event, id, kind, version }): ReadonlyArray<ChangeFacts> => {
              const known = entityOf(contents, id)
              const rows = HashMap.toValues(contents.rows).filter(({ change }) => change.id === id)
                .map(factsOf(contents)).toSorted((a, b) => b.id - a.id).slice(0, rowsMax * Projection.literals.length)
              const told = version ?? known?.version ?? Math.max(0, ...rows.map((row) => row.version))
              if (told === 0 || (known !== undefined && known.kind !== kind)) return []
              const recorded = contents.entries.some((entry) => entry.entity_id === id && entry.version === told)
              const change = { kind, id, version: told, event, entity: known, recorded, rows }
              const details = new Map(Projection.literals.flatMap((projection) => {
                const row = rowOf(change, projection)
                return row === undefined ? [] : [[rowKey(row), detailsOf(contents, row, now)] as const]
              }))
              return [{ ...change, details }]
            }
          )
          const projections = Projection.literals.map((each) => projectionOf(contents, each, now, living))
          return { at: now, changes, more: all.length > changesMax, projections }
        })
      }))
  )
