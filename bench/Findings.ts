/** What a stage found: a table for people, figures beside their targets, and every run for machines. */
import { median, shown } from "./Numbers.ts"

export interface Figure {
  readonly name: string
  readonly values: ReadonlyArray<number>
  readonly unit?: string
  readonly atLeast?: number
  readonly atMost?: number
}

export interface Finding {
  readonly stage: string
  readonly title: string
  readonly head: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string>>
  readonly figures: ReadonlyArray<Figure>
  readonly notes: ReadonlyArray<string>
  readonly runs: ReadonlyArray<unknown>
}

const aligned = (rows: ReadonlyArray<ReadonlyArray<string>>) => {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length))) ?? []
  return rows.map((row) =>
    row.map((cell, column) => column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)).join("   ")
      .trimEnd()
  )
}

export const reached = ({ atLeast, atMost, values }: Figure): boolean | null => {
  const value = median(values)
  if (Number.isNaN(value) || (atLeast === undefined && atMost === undefined)) return null
  return value >= (atLeast ?? -Infinity) && value <= (atMost ?? Infinity)
}

const line = (figure: Figure) => {
  const { atLeast, atMost, name, unit = "", values } = figure
  const target = atLeast !== undefined ? `≥ ${atLeast}${unit}` : atMost !== undefined ? `≤ ${atMost}${unit}` : ""
  const verdict = reached(figure)
  const range = values.length > 1 ? `${shown(Math.min(...values))}–${shown(Math.max(...values))}` : ""
  return [
    name,
    `${shown(median(values))}${unit}`,
    range,
    target,
    verdict === null ? "" : verdict ? "reached" : "missed"
  ]
}

/** The finding as text. */
export const told = ({ figures, head, notes, rows, stage, title }: Finding) =>
  [
    "",
    `── ${stage}: ${title}`,
    "",
    ...aligned([head, ...rows]),
    "",
    ...aligned([["figure", "median", "min–max", "target", ""], ...figures.map(line)]),
    ...notes.map((note) => `note: ${note}`),
    ""
  ].join("\n")
