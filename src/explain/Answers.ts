/** The five looks of S1-17, each with its evidence; no IO. */
import type { Answer, Evidence, Question } from "./Explanation.ts"
import { aheadMax, rowKey, statusOf } from "./Facts.ts"
import { type Case, isExpired } from "./Judge.ts"
import { ahead, because, count, duration, isoOf, maybeIso, rounded } from "./Say.ts"
import { estimateMs } from "./Sentences.ts"

type Given = readonly [answer: Answer["answer"], text: string, evidence: Evidence]

const yes = (fits: boolean): Answer["answer"] => fits ? "yes" : "no"

const sourceOfTruth = ({ change: { entity, kind, version } }: Case): Given => {
  if (entity === undefined) return ["no", `the database has no such ${kind}`, { version: null }]
  const { changedAt, removed, revision, title } = entity
  const text = removed ? `it was removed as v${entity.version}` : `the database has v${entity.version}`
  return [yes(entity.version >= version), `${text}, since ${isoOf(changedAt)}`, {
    version: entity.version,
    revision,
    removed,
    title,
    changed_at: isoOf(changedAt)
  }]
}

const outbox = (facts: Case): Given => {
  const { projection, row } = facts
  if (row === undefined) {
    return facts.change.entity === undefined
      ? ["unknown", "no row of it is left", { row: null }]
      : isExpired(facts)
      ? ["unknown", "its row was finished longer ago than rows are kept", { row: null }]
      : ["no", `no row of the ${projection} outbox tells of it`, { row: null }]
  }
  return ["yes", `row ${rowKey(row)} was written at ${isoOf(row.createdAt)}`, {
    row: rowKey(row),
    status: statusOf(row),
    op: row.op,
    version: row.version,
    request_id: row.requestId,
    trace_id: row.traceId
  }]
}

const worker = ({ at, details: { attempts }, row, system }: Case): Given => {
  const last = attempts.at(-1)
  const evidence: Evidence = {
    status: row === undefined ? null : statusOf(row),
    attempts: attempts.length,
    worker: row?.claim?.worker ?? last?.worker ?? null,
    outcome: last?.outcome ?? null,
    error_type: row?.errorType ?? last?.errorType ?? null,
    next_attempt_at: maybeIso(row?.dueAt ?? null),
    lease_until: maybeIso(row?.claim?.until ?? null),
    paused: system.pausedAt !== null,
    breakers_open: system.breakers.length,
    workers: system.workers.length
  }
  if (row === undefined) return ["unknown", "there is no row that a worker could handle", evidence]
  if (row.state === "done") {
    return [
      "yes",
      `${last === undefined ? "a worker" : `worker ${last.worker}`} handled it in ${count(attempts.length, "attempt")}`,
      evidence
    ]
  }
  if (row.state === "dead") return ["no", `given up: ${because(row.errorType, row.detail)}`, evidence]
  if (row.claim !== null) {
    return ["no", `worker ${row.claim.worker} has had it for ${duration((at - row.claim.claimedAt) / 1_000)}`, evidence]
  }
  const tried = row.attempts === 0 ? "nobody has tried it yet" : `${count(row.attempts, "attempt")} failed`
  return [
    "no",
    `${tried}; ${system.workers.length === 0 ? "no worker runs" : count(system.workers.length, "worker")}`,
    evidence
  ]
}

const index = ({ change, engine, index, place, projection }: Case): Given => {
  if (projection === "chronicle") {
    const text = change.recorded ? "the chronicle has its entry" : "the chronicle has no entry of it"
    return [yes(change.recorded), text, { recorded: change.recorded }]
  }
  if (projection === "realtime") return ["unknown", "what was relayed is not kept", {}]
  const known: Evidence = {
    engine: engine.name,
    expected_version: index?.expected?.version ?? null,
    expected_revision: index?.expected?.revision ?? null,
    stored_version: index?.stored?.version ?? null,
    stored_revision: index?.stored?.revision ?? null,
    stored_removed: index?.stored?.deleted ?? null,
    searched_version: index?.searched?.version ?? null
  }
  if (place === undefined) return ["unknown", `unknown, the engine does not answer: ${engine.away}`, known]
  if (engine.noIndex) return ["no", `the engine (${engine.name}) has no index yet: a worker makes it`, known]
  const stored = index?.stored
  const has = stored === undefined
    ? "it has nothing of it"
    : stored.deleted
    ? `it has its removal (v${stored.version})`
    : `it has v${stored.version}`
  const told = {
    shown: `${has}, and searches show that`,
    hidden: `${has}, but searches do not show that yet`,
    behind: `${has}, which is not what the database has`,
    ahead: `${has}, which is later than what the database has`
  }
  return [yes(place === "shown"), `${told[place]} (${engine.name})`, known]
}

/** A healthy outbox is some milliseconds behind. */
const lagMinMs = 5_000

const lag = (facts: Case): Given => {
  const { details, system: { oldestAgeMs, recent, workers } } = facts
  const usual = recent === null ? 0 : recent.lagP95Ms
  const isUntold = facts.row?.processedAt === null
  const grows = oldestAgeMs > Math.max(lagMinMs, 3 * usual) || (workers.length === 0 && (oldestAgeMs > 0 || isUntold))
  const behind = oldestAgeMs === 0
    ? `nothing ${isUntold ? "else " : ""}waits`
    : `the oldest that waits does so for ${duration(oldestAgeMs)}`
  const lately = recent === null
    ? "nothing was finished yet"
    : `of the last ${count(recent.rows, "row")} half took less than ${duration(recent.lagP50Ms)}`
  const estimate = estimateMs(facts)
  return [
    yes(!grows),
    `${behind}; ${lately}${details.ahead === 0 ? "" : `; ${ahead(details.ahead)} before this one`}`,
    {
      oldest_waiting_ms: rounded(oldestAgeMs),
      lag_p50_ms: recent === null ? null : rounded(recent.lagP50Ms),
      lag_p95_ms: recent === null ? null : rounded(recent.lagP95Ms),
      rows_per_second: recent === null ? null : Math.round(recent.perSecond * 10) / 10,
      ahead: Math.min(details.ahead, aheadMax),
      ahead_is_more: details.ahead > aheadMax,
      estimate_ms: facts.row?.processedAt === null && estimate !== null ? Math.round(estimate) : null,
      workers: workers.length
    }
  ]
}

const looks: ReadonlyArray<readonly [Question, (facts: Case) => Given]> = [
  ["source_of_truth", sourceOfTruth],
  ["outbox", outbox],
  ["worker", worker],
  ["index", index],
  ["lag", lag]
]

export const answersOf = (facts: Case): ReadonlyArray<Answer> =>
  looks.map(([question, look]) => {
    const [answer, text, evidence] = look(facts)
    return { question, answer, text, evidence }
  })
