/** A small line over time: where it comes from, not what it measures, which stands beside it in figures. */
import { svg } from "lit-html"
import { height, pointsOf, width } from "./points.js"

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
