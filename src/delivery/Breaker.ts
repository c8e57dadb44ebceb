/**
 * When a far side that refuses everything is left alone, and when it is tried again: one breaker per projection.
 *
 * All times are milliseconds of one clock of the caller's that never goes back. The slots of a worker share the
 * breaker, so each of these functions belongs in one atomic step (`Ref.modify`).
 */
import { ceilingMs } from "../domain/Backoff.ts"
import type { Failure } from "./Failure.ts"

export interface Closed {
  readonly _tag: "Closed"
  /** Whole requests refused since the last that was answered. */
  readonly failures: number
}

/** Nothing is claimed. */
export interface Open {
  readonly _tag: "Open"
  readonly until: number
  /** How often in a row, since it was last closed. */
  readonly openings: number
  readonly why: Failure
}

/** One row is being tried; whoever else asks waits for what comes of it. */
export interface HalfOpen {
  readonly _tag: "HalfOpen"
  /** No two probes of one breaker begin at the same time, so this says whose it is. */
  readonly since: number
  readonly openings: number
  readonly why: Failure
}

export type Breaker = Closed | Open | HalfOpen

export interface BreakerPolicy {
  /** Refusals in a row that open it; at least 1. */
  readonly failuresMax: number
  /** The wait of the first opening, in milliseconds without jitter; at least 1. */
  readonly firstMs: number
  /** No wait is longer, but for `Retry-After` and jitter. */
  readonly capMs: number
}

/** `under` is the breaker that `ask` answered before the batch was claimed. */
export interface Refused {
  readonly _tag: "Refused"
  readonly failure: Failure
  readonly under: Breaker
}

/** How a batch ended. A failure of single rows is an answer. */
export type BatchEnd = { readonly _tag: "Answered" } | Refused

/** `probe`: one row. */
export type Permit = "all" | "probe" | { readonly waitMs: number }

export interface Asked {
  readonly breaker: Breaker
  readonly permit: Permit
}

/** Five: one lost connection is no outage, and what leads to an opening costs a row few of its attempts. */
export const breakerPolicy: BreakerPolicy = { failuresMax: 5, firstMs: 1_000, capMs: 60_000 }

/** What is asked for beyond this is asked again: an hour of silence for one header would outlast most outages. */
export const retryAfterMaxMs = 900_000
/** Enough that workers which were refused together come back apart. */
const jitterShare = 0.25
/** Asking costs nothing, and a probe of one row is mostly shorter. */
const halfOpenPollMs = 100
/**
 * A probe that has not ended by then was lost, and another may begin. Three times what a delivery may last under the
 * usual lease (`Dispatcher`); under a longer lease it costs at most one row more.
 */
export const probeMaxMs = 900_000

export const closed: Breaker = { _tag: "Closed", failures: 0 }

/**
 * What a slot may claim now. Whoever is answered `probe` has taken the probe by storing the breaker of the answer.
 *
 * ```ts
 * ask({ _tag: "Open", until: 1_500, openings: 1, why }, 1_000).permit
 * // => { waitMs: 500 }
 * ```
 */
export const ask = (breaker: Breaker, now: number): Asked => {
  if (breaker._tag === "Closed") return { breaker, permit: "all" }
  const free = breaker._tag === "Open" ? breaker.until : breaker.since + probeMaxMs
  if (now < free) {
    const wait = Math.ceil(free - now)
    return { breaker, permit: { waitMs: breaker._tag === "Open" ? wait : Math.min(wait, halfOpenPollMs) } }
  }
  const { openings, why } = breaker
  return { breaker: { _tag: "HalfOpen", since: now, openings, why }, permit: "probe" }
}

/** What the far side asked for is a floor like the back-off, and jitter only adds: up to 18¾ minutes in all. */
const open = (openings: number, why: Failure, now: number, policy: BreakerPolicy, jitter: number): Open => {
  const backoff = ceilingMs({ baseMs: policy.firstMs, capMs: policy.capMs }, openings)
  const floor = Math.max(backoff, Math.min(why.retryAfterMs ?? 0, retryAfterMaxMs))
  return { _tag: "Open", until: now + Math.ceil(floor * (1 + jitterShare * jitter)), openings, why }
}

const isProbe = (breaker: Breaker, under: Breaker): breaker is HalfOpen =>
  breaker._tag === "HalfOpen" && under._tag === "HalfOpen" && breaker.since === under.since

/** Whoever looks at what it was given and refuses that is there. */
const isAnswer = ({ class: failureClass }: Failure) => failureClass === "poison"

/**
 * A batch ended. Total; `jitter` lies in [0, 1].
 *
 * Once the breaker is open only the probe's refusal opens it again: a batch that was in flight by then tells of the
 * past, and as many as there are slots would drive the wait to its cap at once.
 */
export const note = (
  breaker: Breaker,
  end: BatchEnd,
  now: number,
  policy: BreakerPolicy,
  jitter: number
): Breaker => {
  if (end._tag === "Answered" || isAnswer(end.failure)) return closed
  const { failure, under } = end
  if (breaker._tag === "Closed") {
    const failures = breaker.failures + 1
    const opens = failures >= policy.failuresMax || failure.class === "configuration"
    return opens ? open(1, failure, now, policy, jitter) : { _tag: "Closed", failures }
  }
  return isProbe(breaker, under) ? open(breaker.openings + 1, failure, now, policy, jitter) : breaker
}

/**
 * The probe taken `under` that breaker found no row, or was interrupted: the next who asks may have it. Changes nothing
 * once the probe was noted, so that it may be said of every probe, however it ended.
 *
 * From the next millisecond on, since the start of a probe is its name.
 */
export const giveUpProbe = (breaker: Breaker, now: number, under: Breaker): Breaker => {
  if (!isProbe(breaker, under)) return breaker
  const { openings, why } = breaker
  return { _tag: "Open", until: now + 1, openings, why }
}

/**
 * Whether a refused batch has cost its rows an attempt, by the breaker as it was before `note`: the refusals that lead
 * to an opening have, or rows would be tried for ever by a breaker that never opens.
 */
export const counts = (breaker: Breaker, { failure, under }: Refused): boolean =>
  isAnswer(failure) ||
  (failure.class !== "configuration" && breaker._tag === "Closed" && under._tag === "Closed")

/** A breaker as the statistics show it. */
export interface Description {
  readonly state: "closed" | "open" | "half_open"
  readonly error_type: string | null
  readonly detail: string | null
  /** 0 while it is tried, or waits for a row to try. */
  readonly retry_in_ms: number | null
}

export const describe = (breaker: Breaker, now: number): Description => {
  if (breaker._tag === "Closed") return { state: "closed", error_type: null, detail: null, retry_in_ms: null }
  const { detail, errorType: error_type } = breaker.why
  return breaker._tag === "Open"
    ? { state: "open", error_type, detail, retry_in_ms: Math.max(0, Math.ceil(breaker.until - now)) }
    : { state: "half_open", error_type, detail, retry_in_ms: 0 }
}
