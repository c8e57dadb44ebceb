/** Why a change took long: a wait in the outbox (S1-21) or the engine (S1-22), with the figures that say so; no IO. */
import type { Evidence, Slow, SlowCause, Spent, Verdict } from "./Explanation.ts"
import { aheadMax, type AttemptFacts, recentMinutes, refusedOf } from "./Facts.ts"
import type { Case } from "./Judge.ts"
import { ahead, count, duration, msOf, rounded } from "./Say.ts"
import { isFinal } from "./Timeline.ts"

/** A wait behind so many rows is a backlog; behind fewer, nobody looked. */
const backlogFrom = 100

const isThrottled = ({ errorType }: AttemptFacts) => errorType?.endsWith("_429") === true
const isLost = ({ outcome }: AttemptFacts) => outcome === "lease_lost"

/**
 * Of a failed attempt, with the back-off that it led to and, once it was tried again, all that came before: a breaker
 * that is open for a while delays as well, and leaves nothing that would tell of it.
 */
const costOf = ({ at, details: { attempts }, row }: Case, attempt: AttemptFacts) => {
  const { claimedAt, dueAt, endedAt } = attempt
  const due = Math.max(endedAt, dueAt ?? endedAt)
  const next = attempts[attempts.indexOf(attempt) + 1]?.claimedAt ?? row?.claim?.claimedAt
  const end = isLost(attempt) || isFinal(attempt) ? due : next ?? Math.min(at, due)
  return { whole: msOf(end - claimedAt), queue: msOf(Math.max(0, end - due)) }
}

const waitOf = ({ row, system }: Case, before: number, verdict: Verdict): SlowCause => {
  if (verdict === "paused") return "paused"
  if (verdict === "breaker_open") return "breaker"
  if (verdict === "blocked" || (row?.claim === null && row.laneClaim !== null && system.workers.length > 0)) {
    return "blocked"
  }
  return before >= backlogFrom ? "backlog" : "poll"
}

const sum = (values: ReadonlyArray<number>) => values.reduce((all, each) => all + each, 0)

const shares = (facts: Case, spent: Spent, verdict: Verdict): ReadonlyArray<readonly [SlowCause, number]> => {
  const { details: { ahead: before, attempts }, row } = facts
  const of = (which: (attempt: AttemptFacts) => boolean) =>
    sum(attempts.filter(which).map((attempt) => costOf(facts, attempt).whole))
  const failed = (attempt: AttemptFacts) => attempt.errorType !== null && !isThrottled(attempt) && !isLost(attempt)
  const overdue = verdict === "lease_lost" && row?.claim !== null && row?.claim !== undefined
    ? msOf(facts.at - row.claim.claimedAt)
    : 0
  const afterFailures = sum(attempts.map((attempt) => costOf(facts, attempt).queue))
  return [
    [waitOf(facts, before, verdict), Math.max(0, (spent.queue ?? 0) - afterFailures)],
    ["replay", spent.replay ?? 0],
    ["reclaim", of(isLost) + overdue],
    ["engine_slow", spent.engine ?? 0],
    ["engine_throttled", of(isThrottled)],
    ["engine_errors", of(failed)]
  ]
}

const evidence = (facts: Case, spent: Spent): Evidence => {
  const { details, given, system: { failures, oldestAgeMs, recent, workers } } = facts
  const ofOutcome = (which: (attempt: AttemptFacts) => boolean) => details.attempts.filter(which).length
  return {
    queue_ms: spent.queue,
    engine_ms: spent.engine,
    backoff_ms: spent.backoff,
    ahead: Math.min(details.ahead, aheadMax),
    workers: workers.length,
    poll_interval_ms: given.pollMs,
    oldest_waiting_ms: rounded(oldestAgeMs),
    lag_p50_ms: recent === null ? null : rounded(recent.lagP50Ms),
    lag_p95_ms: recent === null ? null : rounded(recent.lagP95Ms),
    engine_p50_ms: recent === null || recent.engineP50Ms === null ? null : rounded(recent.engineP50Ms),
    engine_p95_ms: recent === null || recent.engineP95Ms === null ? null : rounded(recent.engineP95Ms),
    rows_per_second: recent === null ? null : Math.round(recent.perSecond * 10) / 10,
    attempts_throttled: ofOutcome(isThrottled),
    attempts_lost: ofOutcome(isLost),
    throttled_lately: failures.throttled,
    lost_lately: failures.lost,
    failed_lately: failures.other,
    lately_minutes: recentMinutes
  }
}

const workersOf = ({ row, system: { workers } }: Case): string => {
  if (workers.length === 0) return "no worker runs"
  const began = row?.createdAt ?? 0
  return workers.every(({ startedAt }) => startedAt > began)
    ? "every worker that runs now was started later"
    : `workers at work: ${workers.length}`
}

/** What keeps all rows from being tried is not kept with each of them. */
const unless = ({ system: { failures, workers } }: Case): string => {
  const failed = refusedOf(failures)
  return failed === 0 || workers.length === 0
    ? ""
    : `; ${
      count(failed, "attempt")
    } failed in the last ${recentMinutes} minutes, so its destination may have refused ` +
      "everything"
}

const sentenceOf = (cause: SlowCause, ms: number, facts: Case): string => {
  const { details, system } = facts
  const took = duration(ms)
  const workers = workersOf(facts)
  const usual = system.recent?.engineP50Ms === null || system.recent?.engineP50Ms === undefined
    ? ""
    : `; over the last rows the median is ${duration(system.recent.engineP50Ms)}`
  switch (cause) {
    case "poll":
      return `It waited ${took} with ${ahead(details.ahead)} before it: nobody looked for it (${workers})${
        unless(facts)
      }.`
    case "backlog":
      return `It waited ${took} behind ${ahead(details.ahead)}: the workers are behind (${workers}).`
    case "reclaim":
      return `A worker had it for ${took} and lost its lease: it died or stood still.`
    case "engine_slow":
      return `The destination took ${took} of it${usual}.`
    case "engine_throttled":
      return `The destination was asked for too much (429): ${took} went into tries that it refused and the waits ` +
        "after them."
    case "engine_errors":
      return `The destination failed: ${took} went into tries that failed and the waits after them.`
    case "paused":
      return `It has waited ${took} while its projection is paused.`
    case "breaker":
      return `It has waited ${took} while the destination refuses everything.`
    case "blocked":
      return `It has waited ${took} behind another batch of its lane, or behind an earlier change of its entity.`
    case "replay":
      return `It was done or dead for ${took}, until it was replayed.`
  }
}

/** The cause that took most, of a change that took long in all. */
export const slowOf = (facts: Case, spent: Spent, verdict: Verdict): Slow | null => {
  const [cause, ms] = shares(facts, spent, verdict).reduce((most, each) => each[1] > most[1] ? each : most)
  if (ms < facts.given.slowMs) return null
  return { cause, sentence: sentenceOf(cause, ms, facts), evidence: evidence(facts, spent) }
}
