/**
 * The trace behind a number: for each bucket of a histogram the last observation whose trace can be looked at.
 *
 * Whether a trace is kept is decided after the observation. So it is noted, and shown once its trace is: a number that
 * points to a trace that was thrown away sends a person on a search without end.
 */
import type { KeptTraces } from "./KeptTraces.ts"
import { quietly } from "./TelemetryFailure.ts"

export interface Exemplar {
  readonly traceId: string
  readonly spanId: string
  readonly value: number
  /** Milliseconds since 1970. */
  readonly at: number
}

/** Of one series, in the order of its buckets. */
export type Buckets = Array<Exemplar | undefined>

interface Noted {
  readonly exemplar: Exemplar
  readonly buckets: Buckets
  readonly bucket: number
}

/** Traces that are not decided yet; the oldest gives way. */
const tracesMax = 1_024
/** Observations of one trace; a request makes some ten. */
const notedMax = 32

const undecided = new Map<string, Array<Noted>>()
const asked = new WeakSet<KeptTraces>()

const show = ({ bucket, buckets, exemplar }: Noted) => {
  buckets[bucket] = exemplar
}

const decided = (traceId: string, isKept: boolean) =>
  quietly(() => {
    const noted = undecided.get(traceId)
    if (noted === undefined) return
    undecided.delete(traceId)
    if (isKept) noted.forEach(show)
  })

/** Called for each observation that was made in a trace. */
export const note = (
  kept: KeptTraces,
  exemplar: Exemplar,
  isSampled: boolean,
  buckets: Buckets,
  bucket: number
): void => {
  const noted = { exemplar, buckets, bucket }
  if (kept.isExported(exemplar.traceId, isSampled)) return show(noted)
  if (!asked.has(kept)) {
    asked.add(kept)
    kept.subscribe(decided)
  }
  const others = undecided.get(exemplar.traceId)
  if (others !== undefined) {
    if (others.length < notedMax) others.push(noted)
    return
  }
  if (undecided.size >= tracesMax) undecided.delete(undecided.keys().next().value!)
  undecided.set(exemplar.traceId, [noted])
}
