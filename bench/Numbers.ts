/** Medians and spreads: on a shared machine a single figure says little. */

export const median = (values: ReadonlyArray<number>) => quantile(values, 0.5)

export const quantile = (values: ReadonlyArray<number>, at: number) => {
  const sorted = values.filter((value) => !Number.isNaN(value)).toSorted((a, b) => a - b)
  if (sorted.length === 0) return Number.NaN
  const place = (sorted.length - 1) * at
  const low = sorted[Math.floor(place)]!
  return low + (sorted[Math.ceil(place)]! - low) * (place - Math.floor(place))
}

const digits = (value: number) => Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2

export const shown = (value: number, decimals = digits(value)) =>
  Number.isNaN(value) ? "–" : value.toLocaleString("en-US", {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals
  })

/** `1.21 (1.02–1.65)`: the median and how far it went. */
export const spread = (values: ReadonlyArray<number>) => {
  const known = values.filter((value) => !Number.isNaN(value))
  if (known.length === 0) return "–"
  const middle = shown(median(known))
  return known.length === 1 ? middle : `${middle} (${shown(Math.min(...known))}–${shown(Math.max(...known))})`
}
