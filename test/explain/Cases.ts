/** Facts that nobody gathered: one healthy change, and what a test says is different about it. */
import { EntityId } from "../../src/domain/Entity.ts"
import type { Asked } from "../../src/explain/Asked.ts"
import type {
  AttemptFacts,
  ChangeFacts,
  ClaimFacts,
  EntityFacts,
  IndexFacts,
  ProjectionFacts,
  RowDetails,
  RowFacts
} from "../../src/explain/Facts.ts"
import { type Case, caseOf } from "../../src/explain/Judge.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import type { IndexEntry } from "../../src/search/IdRange.ts"

/** Microseconds of the database; every other time is told in milliseconds before it. */
export const now = 1_800_000_000_000_000
export const ago = (ms: number): number => now - ms * 1_000

export const id = EntityId.make("01900000-0000-7000-8000-000000000001")

export const entry = (revision: number, more: Partial<IndexEntry> = {}): IndexEntry => ({
  id,
  kind: "tag",
  version: revision,
  revision,
  deleted: false,
  digest: revision,
  ...more
})

export const claimOf = (claimedMsAgo: number, untilInMs: number): ClaimFacts => ({
  worker: "w1",
  claimedAt: ago(claimedMsAgo),
  until: now + untilInMs * 1_000
})

/** An attempt that took from `beganMsAgo` to `endedMsAgo`. */
export const attemptOf = (beganMsAgo: number, endedMsAgo: number, more: Partial<AttemptFacts> = {}): AttemptFacts => ({
  attempt: 1,
  worker: "w1",
  claimedAt: ago(beganMsAgo),
  endedAt: ago(endedMsAgo),
  outcome: "acked",
  errorType: null,
  detail: null,
  dueAt: null,
  loadMs: null,
  engineMs: null,
  ...more
})

export const failed = (errorType: string, dueMsAgo: number): Partial<AttemptFacts> => ({
  outcome: "retry_scheduled",
  errorType,
  dueAt: ago(dueMsAgo)
})

export const lost: Partial<AttemptFacts> = { outcome: "lease_lost", errorType: "lease_expired" }

export interface Given {
  /** The tag's own name when not given. */
  readonly asked?: Asked
  readonly projection?: Projection
  readonly version?: number
  /** `undefined`: the database has none. */
  readonly entity?: Partial<EntityFacts> | undefined
  readonly recorded?: boolean
  /** `undefined`: no row is left. */
  readonly row?: Partial<RowFacts> | undefined
  readonly details?: Partial<RowDetails>
  readonly system?: Partial<ProjectionFacts>
  readonly index?: Partial<IndexFacts>
  readonly away?: string
  readonly engine?: "postgres" | "elasticsearch"
}

const systemOf = (projection: Projection, more: Partial<ProjectionFacts> = {}): ProjectionFacts => ({
  projection,
  pausedAt: null,
  pausedReason: null,
  breakers: [],
  workers: [{ id: "w1", startedAt: ago(3_600_000) }],
  oldestAgeMs: 0,
  recent: null,
  failures: { throttled: 0, lost: 0, other: 0 },
  ...more
})

export const freshRow = (projection: Projection, version: number): RowFacts => ({
  projection,
  id: 12,
  version,
  op: "upsert",
  state: "fresh",
  attempts: 0,
  dueAt: null,
  waitingSince: null,
  reclaimed: false,
  claim: null,
  laneClaim: null,
  errorType: null,
  detail: null,
  traceId: null,
  requestId: null,
  createdAt: ago(1_000),
  updatedAt: ago(1_000),
  processedAt: null
})

/** What an attempt that ended has left of the row. */
export const done = (createdMsAgo: number, processedMsAgo: number): Partial<RowFacts> => ({
  state: "done",
  attempts: 1,
  createdAt: ago(createdMsAgo),
  processedAt: ago(processedMsAgo)
})

export const shown: Partial<IndexFacts> = { stored: entry(1), searched: entry(1) }

/** A tag's first version that was written a second ago and that nobody has told of, unless something else is said. */
export const given = (all: Given = {}): Case => {
  const { away = null, details, index, projection = "search", recorded = false, system, version = 1 } = all
  const entity: EntityFacts | undefined = "entity" in all && all.entity === undefined ? undefined : {
    version,
    revision: version,
    removed: false,
    title: "a tag",
    changedAt: ago(1_000),
    fanOuts: 0,
    ...all.entity
  }
  const row = "row" in all && all.row === undefined ? undefined : { ...freshRow(projection, version), ...all.row }
  const change: ChangeFacts = {
    kind: "tag",
    id,
    version,
    event: null,
    entity,
    recorded,
    rows: row === undefined ? [] : [row],
    details: new Map([[`${projection}/12`, { attempts: [], ahead: 0, earlier: null, ...details }]])
  }
  const expected = entity === undefined ? undefined : entry(entity.revision, { deleted: entity.removed })
  const facts: IndexFacts = { expected, stored: undefined, searched: undefined, ...index }
  return caseOf(change, projection, {
    asked: all.asked ?? { by: "tag", id },
    at: now,
    engine: { name: all.engine ?? "elasticsearch", away, noIndex: false, entries: new Map([[id, facts]]) },
    given: { retentionMs: 86_400_000, pollMs: 1_000, engineMs: 2_000, slowMs: 1_000, traceUrl: undefined },
    projections: [systemOf(projection, system)]
  })
}
