/** The findings about rows, leases and workers, by the database alone; no IO. */
import { type ProjectionFacts, refusedOf } from "../explain/Facts.ts"
import { count } from "../explain/Say.ts"
import { command } from "../explain/Steps.ts"
import type { Check, Said } from "./Check.ts"
import type { DatabaseFacts, SystemFacts } from "./SystemFacts.ts"

const withDatabase = (look: (database: DatabaseFacts, facts: SystemFacts) => Said) => (facts: SystemFacts): Said =>
  typeof facts.database === "string"
    ? { health: "skip", cause: `the database does not answer: ${facts.database}` }
    : look(facts.database, facts)

const untraced = ({ requestsWithoutTrace, rows, rowsWithoutTrace }: DatabaseFacts, { tracing }: SystemFacts): Said => {
  const evidence = { rows, without_traceparent: rowsWithoutTrace, of_requests: requestsWithoutTrace, tracing }
  if (rows === 0) return { health: "skip", cause: "there is no row yet", evidence }
  if (rowsWithoutTrace === 0) {
    return { health: "ok", cause: `all of the last ${rows} rows have a traceparent`, evidence }
  }
  return tracing === "off"
    ? {
      health: "warn",
      cause: "tracing is off, so rows have no traceparent",
      evidence,
      fix: "WORDLOOM_TRACING=local, or WORDLOOM_TRACING_ENABLED=1"
    }
    : {
      health: requestsWithoutTrace > 0 ? "fail" : "warn",
      cause: `${rowsWithoutTrace} of the last ${rows} rows have no traceparent` +
        (requestsWithoutTrace > 0 ? `; ${requestsWithoutTrace} of them come from requests` : ": past the product"),
      evidence,
      fix: "switch tracing on in whoever writes them; write through the API"
    }
}

const repair = command("reconcile --repair")

const drifted = ({ drift, projections }: DatabaseFacts, { engineAway }: SystemFacts): Said => {
  const paused = projections.filter(({ pausedAt }) => pausedAt !== null).map(({ projection }) => projection)
  const evidence = { drift, engine: engineAway?.why ?? "answers", paused: paused.join(",") }
  if (engineAway !== null) {
    const { noIndex, why } = engineAway
    return noIndex
      ? { health: "fail", cause: why, evidence, fix: `node programs/worker.js; if it was deleted, then ${repair}` }
      : {
        health: "fail",
        cause: `the search engine does not answer: ${why}`,
        evidence,
        fix: "start it, or mend ELASTIC_URL or DATABASE_URL"
      }
  }
  if (paused.length > 0) {
    return {
      health: "warn",
      cause: `${paused.join(" and ")} is paused`,
      evidence,
      fix: command(`outbox resume ${paused[0]}`)
    }
  }
  return drift > 0
    ? {
      health: "fail",
      cause: `${count(drift, "entity", "entities")} differed from the index when it was last compared`,
      evidence,
      fix: repair
    }
    : { health: "ok", cause: `the engine answers; of one change: ${command("explain block/<id>")}`, evidence }
}

/** S1-21: from 0.8 s to 20 s; in between there is room for a burst. */
const gapMaxMs = 5_000

const isBehind = ({ oldestAgeMs, recent }: ProjectionFacts) =>
  oldestAgeMs > gapMaxMs || (recent !== null && recent.lagP95Ms > gapMaxMs && oldestAgeMs > 0)

/** What keeps them, and what to do about it: a cause that no worker can help comes first. */
const whyBehind = ({ breakers, failures, pausedAt, projection, workers }: ProjectionFacts) => {
  const [breaker] = breakers
  const failed = refusedOf(failures)
  const look = command("outbox list --status pending")
  if (pausedAt !== null) return ["it is paused", command(`outbox resume ${projection}`)] as const
  if (workers.length === 0) return ["no worker drains it (poll)", "node programs/worker.js"] as const
  if (breaker !== undefined) {
    return [`its destination refuses everything: ${breaker.errorType}`, "mend the destination"] as const
  }
  if (failures.lost > 0) {
    return [
      `${count(failures.lost, "attempt")} lost the lease lately (reclaim)`,
      "look at the log of the worker that loses them"
    ] as const
  }
  return failed > 0
    ? [`${count(failed, "attempt")} failed lately`, `mend the destination; by row: ${look}`] as const
    : ["its workers are behind (lag)", "start more workers, or raise OUTBOX_CONCURRENCY"] as const
}

const gap = ({ projections }: DatabaseFacts): Said => {
  const slow = projections.filter(isBehind).toSorted((a, b) => b.oldestAgeMs - a.oldestAgeMs)[0]
  if (slow === undefined) return { health: "ok", cause: "nothing waits for long" }
  const { failures, oldestAgeMs, projection, recent, workers } = slow
  const [why, fix] = whyBehind(slow)
  return {
    health: "fail",
    cause: `the oldest change waits for ${Math.round(oldestAgeMs / 1_000)} s in ${projection}: ${why}`,
    evidence: {
      projection,
      oldest_ms: Math.round(oldestAgeMs),
      lag_p95_ms: recent === null ? null : Math.round(recent.lagP95Ms),
      workers: workers.length,
      lost: failures.lost,
      failed: refusedOf(failures)
    },
    fix
  }
}

/** S1-22: from 120 ms to 3 s. */
const engineMaxMs = 1_000

const engine = ({ projections }: DatabaseFacts): Said => {
  const worst = projections.toSorted((a, b) => (b.recent?.engineP95Ms ?? 0) - (a.recent?.engineP95Ms ?? 0))[0]!
  const p95 = worst.recent?.engineP95Ms ?? null
  const throttled = projections.reduce((sum, { failures }) => sum + failures.throttled, 0)
  const evidence = { engine_p95_ms: p95 === null ? null : Math.round(p95), throttled }
  if (throttled > 0) {
    return {
      health: "fail",
      cause: `the destination answers 429: ${count(throttled, "attempt")} lately`,
      evidence,
      fix: "lower OUTBOX_CONCURRENCY or OUTBOX_BATCH_SIZE, or give the engine more"
    }
  }
  return p95 !== null && p95 > engineMaxMs
    ? {
      health: "fail",
      cause: `the destination of ${worst.projection} is slow: 95 % of the last rows took up to ${Math.round(p95)} ms`,
      evidence,
      fix: "look at the engine's own load, merges and disk"
    }
    : { health: "ok", cause: "the destinations are as fast as usual", evidence }
}

const takenPort = ({ ports }: SystemFacts): Said | undefined => {
  const first = ports.find(({ by }) => by === "another")
  return first === undefined ? undefined : {
    health: "warn",
    cause: `port ${first.port} (${first.setting}) is taken by another program: what is started here cannot listen`,
    evidence: { port: first.port, setting: first.setting },
    fix: `end what listens there, or set ${first.setting}`
  }
}

const identities = ({ leasesOfNobody, ownersTwice, workersKilled }: DatabaseFacts, facts: SystemFacts): Said => {
  const ports = facts.ports.map(({ by, port, setting }) => `${setting} ${port}: ${by}`).join("; ")
  if (ownersTwice.length > 0) {
    return {
      health: "fail",
      cause: `two processes work as ${ownersTwice[0]}`,
      evidence: { owner: ownersTwice[0]!, owners: ownersTwice.join(","), ports },
      fix: "let OUTBOX_WORKER_ID differ between workers, or leave it out; end the one that was frozen or cut off"
    }
  }
  if (leasesOfNobody.length > 0) {
    return {
      health: "fail",
      cause: `worker ${leasesOfNobody[0]} holds a lease, but does not live`,
      evidence: { workers: leasesOfNobody.join(","), killed: workersKilled.length, ports },
      fix: "its rows come back when the lease ends; let OUTBOX_WORKER_ID differ between workers"
    }
  }
  const taken = takenPort(facts)
  if (taken !== undefined) return taken
  return workersKilled.length > 0
    ? {
      health: "warn",
      cause: `${count(workersKilled.length, "worker")} ended without a word: ${workersKilled.slice(-3).join(", ")}`,
      evidence: { killed: workersKilled.length, ports },
      fix: "stop workers with SIGTERM; look for what killed them"
    }
    : { health: "ok", cause: "every worker has a name of its own and lives", evidence: { ports } }
}

const retries = ({ dead, failures }: DatabaseFacts): Said => {
  const [first] = failures
  const buried = dead.reduce((sum, { rows }) => sum + rows, 0)
  const evidence = {
    failed: failures.reduce((sum, { times }) => sum + times, 0),
    reasons: failures.map(({ attempt, errorType, times }) => `${errorType}: ${times}, up to attempt ${attempt}`).join(
      "; "
    ),
    highest_attempt: failures.reduce((most, { attempt }) => Math.max(most, attempt), 0),
    dead: buried
  }
  if (buried > 0) {
    const { errorType, projection, rows } = dead[0]!
    return {
      health: "fail",
      cause: `${count(buried, "row is", "rows are")} dead${
        rows === buried ? ` in ${projection},` : `, ${rows} of them in ${projection}`
      } because of ${errorType}`,
      evidence,
      fix: `mend the cause, then: ${command(`outbox replay --projection ${projection} --error-type ${errorType}`)}`
    }
  }
  return first === undefined
    ? { health: "ok", cause: "nothing was tried again lately", evidence }
    : {
      health: "warn",
      cause: `${
        count(first.times, "attempt")
      } failed lately with ${first.errorType}, the highest is attempt ${first.attempt}`,
      evidence,
      fix: command("outbox list --status pending")
    }
}

const guard = ({ leasesOver, projections }: DatabaseFacts): Said => {
  const lost = projections.reduce((sum, { failures }) => sum + failures.lost, 0)
  const evidence = { lost, over: leasesOver.join(",") }
  return lost === 0 && leasesOver.length === 0
    ? { health: "ok", cause: "no lease was lost lately", evidence }
    : {
      health: leasesOver.length > 0 ? "fail" : "warn",
      cause: leasesOver.length > 0
        ? `the lease of ${leasesOver[0]} is over, and nobody has taken its rows back`
        : `${count(lost, "attempt")} lost the lease lately: killed, or slower than it`,
      evidence,
      fix: leasesOver.length > 0
        ? "start a worker: node programs/worker.js"
        : "raise OUTBOX_LEASE, or look at that worker"
    }
}

const reclaims = ({ lostAgain: [first, ...others] }: DatabaseFacts): Said =>
  first === undefined
    ? { health: "ok", cause: "no row was lost twice" }
    : {
      health: "fail",
      cause: `${first.event} was lost ${first.times} times, the last time by ${first.worker}`,
      evidence: { event: first.event, times: first.times, worker: first.worker, others: others.length },
      fix: `look at the log of ${first.worker}; ${command(`explain --event ${first.event}`)}`
    }

const idle = ({ projections }: DatabaseFacts): Said => {
  const search = projections.find(({ projection }) => projection === "search")?.recent
  if (search === undefined || search === null || search.engineP50Ms === null || search.lagP50Ms === 0) {
    return { health: "skip", cause: "no finished row tells of its times yet" }
  }
  const share = Math.max(0, 1 - search.engineP50Ms / search.lagP50Ms)
  return {
    health: "ok",
    cause: `${Math.round(share * 100)} % of the time from commit to searchable nobody works on a change`,
    evidence: { lag_p50_ms: Math.round(search.lagP50Ms), engine_p50_ms: Math.round(search.engineP50Ms) }
  }
}

export const rowChecks: ReadonlyArray<Check> = [
  ["DX-02", "API and worker apart, traceparent NULL", withDatabase(untraced)],
  ["DX-10", "search did not update", withDatabase(drifted)],
  ["DX-11", "changes wait for long", withDatabase(gap)],
  ["DX-12", "the engine is slow", withDatabase(engine)],
  ["DX-13", "odd double work", withDatabase(identities)],
  ["DX-14", "retries grow", withDatabase(retries)],
  ["DX-15", "an ack affected no row", withDatabase(guard)],
  ["DX-16", "rows are reclaimed repeatedly", withDatabase(reclaims)],
  ["DX-21", "high idle share", withDatabase(idle)]
]
