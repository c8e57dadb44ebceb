/** A small line over time, as points. No DOM here. */

export const width = 120
export const height = 28

/**
 * @param {ReadonlyArray<number>} values oldest first
 * @param {number} slots as many as there may be: the line grows from the right
 */
export const pointsOf = (values, slots) => {
  const most = Math.max(1, ...values)
  const step = width / Math.max(1, slots - 1)
  const left = width - (values.length - 1) * step
  return values.map((value, at) =>
    `${(left + at * step).toFixed(1)},${(height - 1 - value / most * (height - 3)).toFixed(1)}`
  )
}
