/** Each verdict in a sentence, and what to do next; no IO. */
import type { EntityId, EntityKind } from "../domain/Entity.ts"
import type { Asked } from "./Asked.ts"
import type { Step, Verdict } from "./Explanation.ts"
import { type ClaimFacts, type RowFacts, rowKey } from "./Facts.ts"
import { type Case, isExpired } from "./Judge.ts"
import { ahead, because, count, duration, isoOf, nameOf } from "./Say.ts"
import { again, command, doctor, listAll, look, reconcile, replay, replayDone, startWorker, step } from "./Steps.ts"

export interface Said {
  readonly sentence: string
  readonly steps: ReadonlyArray<Step>
}

const what = ({ change }: Case): string => `${nameOf(change)} v${change.version}`

const since = (from: number, at: number) => duration(Math.max(0, at - from) / 1_000)

const worksOn = ({ projection, system: { workers } }: Case) =>
  workers.length === 0 ? `no worker drains ${projection}` : `${count(workers.length, "worker")} at work`

/** Seconds at the present rate; `null` while nobody knows it. */
export const estimateMs = ({ details, system: { recent, workers } }: Case): number | null =>
  workers.length === 0 || recent === null || recent.perSecond <= 0 ? null : details.ahead / recent.perSecond * 1_000

const waiting = (facts: Case, row: RowFacts): Said => {
  const { at, details, system } = facts
  const estimate = estimateMs(facts)
  const when = system.workers.length === 0 || estimate === null
    ? ""
    : `, about ${duration(estimate)} at the present rate`
  const from = since(row.waitingSince ?? row.createdAt, at)
  const busy = details.ahead > 1_000 ? [step("let more workers share the backlog", "node programs/worker.js")] : []
  return {
    sentence: `${what(facts)} waits in the ${facts.projection} outbox for ${from}: ${
      ahead(details.ahead)
    } before it${when}${row.errorType === null ? "" : `; ${tried(row)}`}; ${worksOn(facts)}.`,
    steps: system.workers.length === 0 ? [startWorker] : [...busy, again(facts)]
  }
}

const laneHeld = (facts: Case, claim: ClaimFacts): Said => {
  const { at } = facts
  const over = claim.until <= at
  const how = over
    ? `whose lease ended ${since(claim.until, at)} ago`
    : `which has had it for ${since(claim.claimedAt, at)}, until ${isoOf(claim.until)}`
  const looked = step(`look at the log of worker ${claim.worker}`)
  const next = facts.system.workers.length === 0 ? startWorker : again(facts)
  return {
    sentence: `${what(facts)} is blocked: another batch of its lane is with worker ${claim.worker}, ${how}.`,
    steps: [looked, next]
  }
}

const blocked = (facts: Case, { laneClaim }: RowFacts): Said => {
  const { details: { earlier }, projection } = facts
  if (earlier === null) return laneClaim === null ? unsaid(facts) : laneHeld(facts, laneClaim)
  const key = rowKey({ projection, id: earlier.id })
  return {
    sentence: `${what(facts)} is blocked by an earlier change of the same entity: row ${key} (v${earlier.version}) ` +
      `must be told first and is due at ${isoOf(earlier.dueAt)}.`,
    steps: [look(key)]
  }
}

const unsaid = (facts: Case): Said => ({ sentence: `${what(facts)} is blocked.`, steps: [again(facts)] })

const paused = (facts: Case): Said => {
  const { at, projection, system: { pausedAt, pausedReason } } = facts
  const why = pausedReason === null ? "" : ` ("${pausedReason}")`
  return {
    sentence: `${what(facts)} waits because ${projection} has been paused for ${since(pausedAt ?? at, at)}${why}.`,
    steps: [step(`let the workers go on with ${projection}`, command(`outbox resume ${projection}`))]
  }
}

const breakerOpen = (facts: Case): Said => {
  const { at, projection, system: { breakers } } = facts
  const next = breakers.toSorted((a, b) => a.retryAt - b.retryAt)[0]!
  const when = next.retryAt > at ? `the next try is in ${since(at, next.retryAt)}` : "it is being tried now"
  return {
    sentence: `${what(facts)} waits because the breaker of ${projection} is open in ${
      count(breakers.length, "worker")
    }: ${because(next.errorType, next.detail)}; ${when}.`,
    steps: [step(`mend the destination of ${projection}; its rows then go on by themselves`, doctor.command)]
  }
}

/** While a breaker is open, a row is tried now and then, and none of that is counted. */
const tried = ({ attempts, detail, errorType }: RowFacts): string =>
  attempts === 0
    ? `it was tried and refused, which costs it no attempt: ${because(errorType, detail)}`
    : `${count(attempts, "attempt")} failed, the last with ${because(errorType, detail)}`

const backingOff = (facts: Case, row: RowFacts): Said => {
  const due = row.dueAt ?? facts.at
  return {
    sentence: `${what(facts)} is backing off until ${isoOf(due)} (${since(facts.at, due)} from now): ${tried(row)}.`,
    steps: [step("it is tried again by itself; see why it failed", doctor.command), again(facts)]
  }
}

const leased = (facts: Case, { attempts, claim }: RowFacts): Said => {
  const { claimedAt, until, worker } = claim!
  return {
    sentence: `${what(facts)} is leased by worker ${worker} since ${isoOf(claimedAt)} (${
      since(claimedAt, facts.at)
    } ago, attempt ${attempts + 1}), until ${isoOf(until)}.`,
    steps: [again(facts), step(`if it stays so, look at the log of worker ${worker}`)]
  }
}

const leaseLost = (facts: Case, { claim }: RowFacts): Said => {
  const { at, details } = facts
  const last = details.attempts.at(-1)
  const how = claim === null
    ? `worker ${last?.worker ?? "unknown"} lost its lease in attempt ${last?.attempt ?? 1}; the row is due again`
    : `the lease of worker ${claim.worker} ended ${since(claim.until, at)} ago and nobody has settled it`
  const next = facts.system.workers.length === 0
    ? startWorker
    : again(facts)
  return {
    sentence: `${what(facts)} waits because a lease was lost: ${how}; ${worksOn(facts)}.`,
    steps: [next, step(`look at the log of worker ${claim?.worker ?? last?.worker ?? "unknown"}`)]
  }
}

const dead = (facts: Case, row: RowFacts): Said => ({
  sentence: `${what(facts)} is dead in ${facts.projection} after ${count(row.attempts, "attempt")}, because of ${
    because(row.errorType, row.detail)
  }.`,
  steps: [
    step("mend the cause, then replay the row", replay(facts.projection, row))
  ]
})

const neverEnqueued = (facts: Case): Said => {
  const { change: { id }, projection } = facts
  return {
    sentence:
      `${what(facts)} was never enqueued: the database has it, but no row of the ${projection} outbox tells of ` +
      "it; it was written past the product.",
    steps: [
      projection === "search"
        ? reconcile
        : step("see its rows", command(`outbox list --entity-id ${id}`))
    ]
  }
}

const gone = ({ change }: Case) => change.entity?.removed === true

const searchable = (facts: Case): Said => {
  const { engine, index, row } = facts
  const has = gone(facts) || index?.stored === undefined || index.stored.deleted
    ? "searches no longer find it"
    : `searches show v${index.stored.version}`
  const took = row?.processedAt === undefined || row.processedAt === null
    ? row === undefined
      ? "; its outbox row is gone by now"
      : `, although its outbox row is still ${row.claim === null ? "pending" : `with worker ${row.claim.worker}`}`
    : row.state === "dead"
    ? `, although its outbox row is dead (${row.errorType ?? "unknown"})`
    : `, ${since(row.createdAt, row.processedAt)} after the change`
  return { sentence: `${what(facts)} is searchable: ${has} (${engine.name})${took}.`, steps: [] }
}

const recorded = (facts: Case): Said => {
  const { projection, row } = facts
  const took = row?.processedAt === undefined || row.processedAt === null
    ? ""
    : `, ${since(row.createdAt, row.processedAt)} after the change`
  return { sentence: `${what(facts)} is recorded in ${projection}${took}.`, steps: [] }
}

const notRefreshed = (facts: Case): Said => {
  const { at, engine, row } = facts
  const written = row?.processedAt ?? null
  const from = written === null ? "" : ` for ${since(written, at)}`
  return {
    sentence:
      `${what(facts)} is written but not refreshed: the index (${engine.name}) has it${from}, searches show it ` +
      "after its next refresh.",
    steps: [
      again(facts),
      step(
        "if it stays so, the index's refresh_interval is too long or off; this refreshes it once and compares it",
        command("reconcile")
      )
    ]
  }
}

const indexAhead = (facts: Case): Said => {
  const { index } = facts
  const [has, should] = [index?.stored, index?.expected]
  return {
    sentence:
      `${what(facts)}: the index is ahead, it has v${has?.version} (revision ${has?.revision}) and the database ` +
      `v${should?.version} (revision ${should?.revision}); the database was set back, or somebody else writes there.`,
    steps: [step("build the index anew from what the database has", command("reindex"))]
  }
}

const drift = (facts: Case): Said => {
  const { change, engine, index, projection, row } = facts
  const told = change.entity === undefined
    ? `the database has no such ${change.kind}`
    : row === undefined
    ? isExpired(facts) ? "its outbox row is gone by now" : "no outbox row tells of it"
    : `the outbox says ${row.state}`
  const has = projection !== "search"
    ? "its entry is missing"
    : index?.stored === undefined
    ? `the index (${engine.name}) does not have it`
    : change.entity === undefined || gone(facts)
    ? `the index (${engine.name}) still has v${index.stored.version}`
    : `the index (${engine.name}) has v${index.stored.version} with other content or an earlier revision`
  const steps = projection === "search" || row === undefined
    ? [reconcile]
    : [replayDone(projection, row)]
  return { sentence: `${what(facts)} has drifted in ${projection}: ${told}, but ${has}.`, steps }
}

const fanOut = (facts: Case): Said => ({
  sentence: `${what(facts)} waits for a new name of its tags or library: ${
    count(facts.change.entity?.fanOuts ?? 0, "fan-out")
  } on the way; ${worksOn(facts)}.`,
  steps: facts.system.workers.length === 0 ? [startWorker] : [again(facts)]
})

const indexUnknown = (facts: Case): Said => ({
  sentence: `${what(facts)} was told to the index as far as the outbox knows${
    facts.row?.processedAt === undefined || facts.row.processedAt === null
      ? ""
      : ` (${since(facts.row.processedAt, facts.at)} ago)`
  }; index: unknown, the engine (${facts.engine.name}) does not answer.`,
  steps: [doctor]
})

const ofRow = (facts: Case, say: (facts: Case, row: RowFacts) => Said) =>
  facts.row === undefined ? { sentence: what(facts), steps: [] } : say(facts, facts.row)

/** `not_found` is said by `missing`. */
export const say = (verdict: Exclude<Verdict, "not_found">, facts: Case): Said => {
  const all: Record<typeof verdict, () => Said> = {
    searchable: () => searchable(facts),
    recorded: () => recorded(facts),
    waiting: () => ofRow(facts, waiting),
    blocked: () => ofRow(facts, blocked),
    paused: () => paused(facts),
    breaker_open: () => breakerOpen(facts),
    backing_off: () => ofRow(facts, backingOff),
    leased: () => ofRow(facts, leased),
    lease_lost: () => ofRow(facts, leaseLost),
    dead: () => ofRow(facts, dead),
    never_enqueued: () => neverEnqueued(facts),
    not_refreshed: () => notRefreshed(facts),
    index_ahead: () => indexAhead(facts),
    drift: () => drift(facts),
    fan_out: () => fanOut(facts),
    index_unknown: () => indexUnknown(facts)
  }
  return all[verdict]()
}

export const missing = (asked: Asked): Said => {
  switch (asked.by) {
    case "event":
      return {
        sentence: `There is no row ${rowKey(asked)}: it never was, or it was finished longer ago than rows are kept.`,
        steps: [step("see the rows", command(`outbox list --projection ${asked.projection}`))]
      }
    case "request_id":
      return {
        sentence: `No change of request ${asked.value} is known: it changed nothing, or never came here.`,
        steps: [listAll]
      }
    case "trace_id":
      return {
        sentence: `No row of trace ${asked.value} is known: it changed nothing, tracing was off, or its rows were ` +
          "finished longer ago than they are kept.",
        steps: [listAll]
      }
    default:
      return { sentence: `There is no such ${asked.by}: ${nameOf(unnamed(asked))}.`, steps: [listAll] }
  }
}

const unnamed = ({ by, id }: { readonly by: EntityKind; readonly id: EntityId }) => ({ kind: by, id })
