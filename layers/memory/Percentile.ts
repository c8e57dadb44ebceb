/** As PostgreSQL's `percentile_cont`: between its neighbours; 0 of nothing. */
export const percentile = (values: ReadonlyArray<number>, fraction: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const at = fraction * (sorted.length - 1)
  const [low = 0, high = low] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]]
  return low + (high - low) * (at - Math.floor(at))
}
