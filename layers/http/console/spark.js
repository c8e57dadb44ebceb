/** A small line over time: where it comes from, not what it measures, which stands beside it in figures. */
import { svg } from "lit-html"

const width = 120
const height = 28

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

/** @param {ReadonlyArray<number>} values @param {number} slots @param {string} label */
export const spark = (values, slots, label) => {
  const points = pointsOf(values, slots)
  const [first = `0,${height}`] = points
  const area = `${first.split(",")[0]},${height} ${points.join(" ")} ${width},${height}`
  const box = `0 0 ${width} ${height}`
  return svg`<svg class="spark" viewBox=${box} preserveAspectRatio="none" role="img" aria-label=${label}>
    <line x1="0" x2=${width} y1=${height - 0.5} y2=${
    height - 0.5
  }></line><polygon points=${area}></polygon><polyline points=${points.join(" ")}></polyline></svg>`
}
