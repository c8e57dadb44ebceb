/** What a demonstration prints: steps with the time since its beginning, tables, and a verdict per check. */
import { styleText } from "node:util"

/** @typedef {"bold" | "dim" | "red" | "green" | "yellow" | "cyan"} Style */

const colours = process.stdout.isTTY && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb"
const startedAt = performance.now()

/**
 * @param {Style} style
 * @param {string} text
 */
export const paint = (style, text) => colours ? styleText(style, text, { validateStream: false }) : text

export const elapsed = () => `${((performance.now() - startedAt) / 1000).toFixed(2).padStart(6)} s`

/**
 * @param {string} who
 * @param {string} what
 */
export const step = (who, what) => {
  console.log(`${paint("dim", elapsed())}  ${paint("cyan", who.padEnd(10))}  ${what}`)
}

/** @param {string} title */
export const heading = (title) => {
  console.log(`\n${paint("bold", title)}`)
}

/** @type {Record<string, Style>} */
const styles = { acked: "green", done: "green", superseded: "yellow", lease_lost: "red" }

/**
 * Columns as wide as their widest cell; a cell that is a known outcome has its colour.
 * @param {ReadonlyArray<string>} head
 * @param {ReadonlyArray<ReadonlyArray<string>>} rows
 * @param {ReadonlySet<string>} [numbers] heads of the columns whose right edges meet
 */
export const table = (head, rows, numbers = new Set()) => {
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)))
  const lineOf = (/** @type {ReadonlyArray<string>} */ cells) =>
    cells.map((cell, at) => {
      const width = widths[at] ?? 0
      const padded = numbers.has(head[at] ?? "") ? cell.padStart(width) : cell.padEnd(width)
      const style = styles[cell]
      return style === undefined ? padded : paint(style, padded)
    }).join("  ").trimEnd()
  console.log(`  ${paint("dim", lineOf(head))}`)
  for (const row of rows) console.log(`  ${lineOf(row)}`)
}

/**
 * @param {boolean} passed
 * @param {string} what
 * @param {string} found what there was instead, shown when it failed
 */
export const verdict = (passed, what, found) => {
  console.log(passed ? `${paint("green", "PASS")}  ${what}` : `${paint("red", "FAIL")}  ${what}\n      ${found}`)
}
