/** What a command prints: its answer to stdout, as a table or as JSON; everything else to stderr. */
import * as CliOutput from "effect/cli/CliOutput"
import * as Effect from "effect/Effect"

const writeTo = (stream: NodeJS.WriteStream) => (text: string) =>
  Effect.callback<void>((resume) => {
    stream.write(text, () => resume(Effect.void))
  })

/** A line of the answer. It is out when this is done, so that ending the process cuts nothing off. */
export const print = (line: string) => writeTo(process.stdout)(`${line}\n`)
export const printJson = (value: unknown) => print(JSON.stringify(value))
/** A line beside the answer. */
export const tell = (line: string) => writeTo(process.stderr)(`${line}\n`)

const isColored = (stream: NodeJS.WriteStream) => stream.isTTY === true && (process.env["NO_COLOR"] ?? "") === ""

const paint = (code: number) => (text: string) =>
  isColored(process.stdout) && text !== "" ? `\x1b[${code}m${text}\x1b[0m` : text
export const bold = paint(1)
export const dim = paint(2)
export const red = paint(31)
export const green = paint(32)
export const yellow = paint(33)

export interface Column<A> {
  readonly title: string
  readonly text: (row: A) => string
  readonly align?: "left" | "right"
  readonly color?: (row: A) => (text: string) => string
}

const plain = (text: string) => text

const padded = (text: string, width: number, align: "left" | "right") => {
  const space = " ".repeat(Math.max(0, width - CliOutput.displayWidth(text)))
  return align === "right" ? space + text : text + space
}

/** Aligned columns under their titles; no line ends in blanks. */
export const table = <A>(columns: ReadonlyArray<Column<A>>, rows: ReadonlyArray<A>): string => {
  const cells = rows.map((row) => columns.map(({ text }) => text(row).replaceAll(/\p{Cc}+/gu, " ")))
  const widths = columns.map(({ title }, at) =>
    Math.max(title.length, ...cells.map((line) => CliOutput.displayWidth(line[at]!)))
  )
  const line = (texts: ReadonlyArray<string>, colors: ReadonlyArray<(text: string) => string>) => {
    const last = texts.findLastIndex((text) => text !== "")
    return texts.slice(0, last + 1).map((text, at) => {
      const { align = "left" } = columns[at]!
      const width = at === last && align === "left" ? 0 : widths[at]!
      return colors[at]!(padded(text, width, align))
    }).join("  ")
  }
  const head = line(columns.map(({ title }) => title), columns.map(() => bold))
  const body = rows.map((row, at) => line(cells[at]!, columns.map(({ color }) => color?.(row) ?? plain)))
  return [head, ...body].join("\n")
}
