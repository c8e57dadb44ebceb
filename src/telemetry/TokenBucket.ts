/** A budget that fills up again: so much at once, so much a second; several of them hold together. */

export interface Rate {
  readonly atOnce: number
  readonly perSecond: number
}

export interface Buckets {
  readonly filledAt: number
  /** What is left of each rate. */
  readonly left: ReadonlyArray<number>
}

export const full = (rates: ReadonlyArray<Rate>, nowMs: number): Buckets => ({
  filledAt: nowMs,
  left: rates.map(({ atOnce }) => atOnce)
})

/** One out of each, or none at all. A clock that is put back fills nothing. */
export const take = (
  rates: ReadonlyArray<Rate>,
  { filledAt, left }: Buckets,
  nowMs: number
): readonly [taken: boolean, buckets: Buckets] => {
  const seconds = Math.max(0, nowMs - filledAt) / 1_000
  const filled = rates.map(({ atOnce, perSecond }, at) => Math.min(atOnce, (left[at] ?? 0) + seconds * perSecond))
  const taken = filled.every((tokens) => tokens >= 1)
  return [taken, { filledAt: nowMs, left: taken ? filled.map((tokens) => tokens - 1) : filled }]
}
