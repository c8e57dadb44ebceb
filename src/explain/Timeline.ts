/** Where a change spent its time in one projection: what is known of it, laid end to end; no IO. */
import type { DatabaseMicros } from "../outbox/Leases.ts"
import type { Segment, Spent, Stage } from "./Explanation.ts"
import type { AttemptFacts, RowFacts } from "./Facts.ts"
import type { Case } from "./Judge.ts"
import { isoOf, msOf, rounded } from "./Say.ts"

interface Part {
  readonly stage: Stage
  readonly from: DatabaseMicros
  readonly to: DatabaseMicros
  readonly attempt?: number
  readonly open?: boolean
  readonly text: string
}

const uuidV7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i

/** No request of ours takes longer; what seems to is another clock, or an id that was made elsewhere. */
const requestMaxMicros = 60_000_000

/** An id that this product made says when its request began, by the API's clock. */
export const requestBegan = (requestId: string | null): DatabaseMicros | undefined => {
  const match = uuidV7.exec(requestId ?? "")
  return match === null ? undefined : Number.parseInt(`${match[1]}${match[2]}`, 16) * 1_000
}

const within = (from: DatabaseMicros, to: DatabaseMicros) => from <= to && to - from < requestMaxMicros

const beforeRow = ({ change: { entity } }: Case, row: RowFacts): ReadonlyArray<Part> => {
  const changed = entity !== undefined && entity.version === row.version ? entity.changedAt : undefined
  const wrote = changed !== undefined && within(changed, row.createdAt) ? changed : undefined
  const written = wrote ?? row.createdAt
  const began = requestBegan(row.requestId)
  return [
    ...(began === undefined || !within(began, written)
      ? []
      : [{ stage: "api", from: began, to: written, text: "the request, until the entity was written" } as const]),
    ...(wrote === undefined
      ? []
      : [{ stage: "commit", from: wrote, to: row.createdAt, text: "from the entity to its outbox row" } as const])
  ]
}

const queue = (from: DatabaseMicros, to: DatabaseMicros, attempt: number, open: boolean): Part => ({
  stage: "queue",
  from,
  to,
  attempt,
  open,
  text: "waits for a worker"
})

const isOk = ({ outcome }: AttemptFacts) => outcome === "acked" || outcome === "superseded"

/** Of an attempt that succeeded; whole, where its worker noted no times. */
const succeeded = (attempt: AttemptFacts): ReadonlyArray<Part> => {
  const { attempt: number, claimedAt, endedAt, engineMs, loadMs, worker } = attempt
  if (loadMs === null || engineMs === null) {
    return [{ stage: "attempts", from: claimedAt, to: endedAt, attempt: number, text: `${worker} delivered it` }]
  }
  const asked = Math.min(endedAt, claimedAt + loadMs * 1_000)
  const answered = Math.min(endedAt, asked + engineMs * 1_000)
  return [
    { stage: "load", from: claimedAt, to: asked, attempt: number, text: `${worker} claimed it and loaded the entity` },
    { stage: "engine", from: asked, to: answered, attempt: number, text: "the destination took it" },
    { stage: "ack", from: answered, to: endedAt, attempt: number, text: `settled (${attempt.outcome})` }
  ]
}

const attempted = (attempt: AttemptFacts): ReadonlyArray<Part> =>
  isOk(attempt) ? succeeded(attempt) : [{
    stage: "attempts",
    from: attempt.claimedAt,
    to: attempt.endedAt,
    attempt: attempt.attempt,
    text: `${attempt.worker}: ${attempt.outcome}${attempt.errorType === null ? "" : `, ${attempt.errorType}`}`
  }]

interface Gap {
  readonly until: DatabaseMicros
  readonly open: boolean
  /** The attempt that it ends with. */
  readonly next: number
  /** Of a row that was replayed and is still to be told, since when it is due. */
  readonly replayedAt: DatabaseMicros | null
}

/** Nothing more comes of it, unless somebody has the row replayed. */
export const isFinal = (attempt: AttemptFacts) => isOk(attempt) || attempt.outcome === "dead_lettered"

/** Until it may be tried again, then until somebody does. */
const between = (before: AttemptFacts, { next, open, replayedAt, until }: Gap): ReadonlyArray<Part> => {
  const { attempt, dueAt, endedAt } = before
  const isReplay = isFinal(before)
  const due = Math.min(until, Math.max(endedAt, isReplay ? replayedAt ?? until : dueAt ?? endedAt))
  const rest: Part = {
    from: endedAt,
    to: due,
    open: open && due === until,
    ...(isReplay
      ? { stage: "replay", attempt: next, text: `${isOk(before) ? "done" : "dead"}, until it was replayed` }
      : { stage: "backoff", attempt, text: "backs off" })
  }
  return [...(due === endedAt ? [] : [rest]), ...(until > due ? [queue(due, until, next, open)] : [])]
}

const ongoing = ({ at, row }: Case): ReadonlyArray<Part> =>
  row === undefined || row.claim === null ? [] : [{
    stage: "attempts",
    from: row.claim.claimedAt,
    to: at,
    attempt: row.attempts + 1,
    open: true,
    text: `${row.claim.worker} has it`
  }]

const afterRow = ({ at, engine, place, projection, row }: Case): ReadonlyArray<Part> => {
  if (projection !== "search" || row?.processedAt === null || row?.processedAt === undefined) return []
  if (place === "hidden") {
    const text = "waits for the index's refresh"
    return [{ stage: "refresh", from: row.processedAt, to: at, open: true, text }]
  }
  return place === "shown" && engine.name === "postgres"
    ? [{ stage: "refresh", from: row.processedAt, to: row.processedAt, text: "searches see it at once" }]
    : []
}

const partsOf = (facts: Case): ReadonlyArray<Part> => {
  const { at, details: { attempts }, row } = facts
  if (row === undefined) return []
  const isOpen = row.processedAt === null
  const claimed = row.claim?.claimedAt ?? at
  const first = attempts[0]?.claimedAt ?? (isOpen ? claimed : row.processedAt ?? at)
  const tries = attempts.flatMap((attempt, index) => {
    const next = attempts[index + 1]
    if (next === undefined && !isOpen) return attempted(attempt)
    const gap = next === undefined
      ? { until: claimed, open: row.claim === null, next: row.attempts + 1, replayedAt: row.dueAt }
      : { until: next.claimedAt, open: false, next: next.attempt, replayedAt: null }
    return [...attempted(attempt), ...between(attempt, gap)]
  })
  return [
    ...beforeRow(facts, row),
    queue(
      row.createdAt,
      Math.max(first, row.createdAt),
      attempts[0]?.attempt ?? 1,
      isOpen && attempts.length === 0 && row.claim === null
    ),
    ...tries,
    ...ongoing(facts),
    ...afterRow(facts)
  ]
}

/** Clocks that differ, and rows that were replayed, must not make one part begin before another has ended. */
const straightened = (parts: ReadonlyArray<Part>): ReadonlyArray<Part> => {
  let end = Number.NEGATIVE_INFINITY
  return parts.map((part) => {
    const from = Math.max(part.from, end)
    end = Math.max(from, part.to)
    return { ...part, from, to: end }
  })
}

export const timelineOf = (facts: Case): ReadonlyArray<Segment> => {
  const parts = straightened(partsOf(facts))
  const begin = parts[0]?.from ?? 0
  return parts.map(({ attempt, from, open, stage, text, to }) => ({
    stage,
    from: isoOf(from),
    to: isoOf(to),
    offset_ms: msOf(from - begin),
    ms: msOf(to - from),
    attempt: attempt ?? null,
    open: open ?? false,
    text
  }))
}

/** Stages that only some rows tell of. */
const maybeUnknown: ReadonlySet<Stage> = new Set(["api", "commit"])
const ofSuccess: ReadonlySet<Stage> = new Set(["load", "engine", "ack"])

export const spentOf = ({ projection, row }: Case, timeline: ReadonlyArray<Segment>): Spent => {
  const isDone = row?.state === "done"
  const unknown = (stage: Stage) =>
    row === undefined || maybeUnknown.has(stage) || (isDone && ofSuccess.has(stage)) ||
    (stage === "refresh" && isDone && projection === "search")
  const of = (stage: Stage) => {
    const parts = timeline.filter((each) => each.stage === stage)
    return parts.length === 0 && unknown(stage) ? null : rounded(parts.reduce((sum, { ms }) => sum + ms, 0))
  }
  const last = timeline.at(-1)
  return {
    api: of("api"),
    commit: of("commit"),
    queue: of("queue"),
    attempts: of("attempts"),
    backoff: of("backoff"),
    replay: of("replay"),
    load: of("load"),
    engine: of("engine"),
    ack: of("ack"),
    refresh: of("refresh"),
    total: last === undefined ? 0 : rounded(last.offset_ms + last.ms)
  }
}
