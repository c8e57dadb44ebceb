/** What the run shows: a bar while somebody watches, a line per mutant otherwise, and the table at its end. */
import { type Finding, isCaught, nameOf } from "./Mutant.ts"

const toTerminal = process.stdout.isTTY
const width = 40
const barWidth = 24

const write = (text: string) => void process.stdout.write(text)

export const say = (line: string) => write(`${toTerminal ? "\r\u001b[K" : ""}${line}\n`)

export const progress = (done: number, all: number, doing: string) => {
  if (!toTerminal) return
  const full = Math.round((done / all) * barWidth)
  write(`\r\u001b[K${"█".repeat(full)}${"░".repeat(barWidth - full)} ${done}/${all}  ${doing}`)
}

const mark = (finding: Finding) => isCaught(finding) ? "✓" : "✗"

export const told = (done: number, all: number, finding: Finding) => {
  const { detail, mutant, place, seconds, verdict } = finding
  const count = `${String(done).padStart(2)}/${all}`
  say(`${mark(finding)} ${count}  ${verdict.padEnd(8)} ${mutant.name}: ${place.bug}  ${Math.round(seconds)} s`)
  if (!isCaught(finding)) say(`         ${detail}`)
}

const byOf = ({ by, detail, verdict }: Finding) =>
  by === undefined || (verdict !== "caught" && verdict !== "hang")
    ? `${verdict.toUpperCase()}: ${detail}`
    : verdict === "hang"
    ? `${nameOf(by)} (hang)`
    : nameOf(by)

/** One line per place; the name of the mutant stands before its first. */
export const table = (findings: ReadonlyArray<Finding>) => {
  say(`\n  ${"mutant".padEnd(width)} |   s | caught by`)
  for (const [at, finding] of findings.entries()) {
    const { mutant, seconds } = finding
    const name = findings[at - 1]?.mutant === mutant ? "" : mutant.name
    say(`${mark(finding)} ${name.padEnd(width)} | ${String(Math.round(seconds)).padStart(3)} | ${byOf(finding)}`)
  }
  say("")
}

export const asJson = (findings: ReadonlyArray<Finding>, caught: ReadonlySet<string>, of: number, seconds: number) => ({
  caught: caught.size,
  of,
  seconds,
  places: findings.map(({ by, detail, mutant: { name }, place: { bug, edits }, seconds, verdict }) => ({
    mutant: name,
    bug,
    files: [...new Set(edits.map(({ file }) => file))],
    verdict,
    by: by === undefined ? null : nameOf(by),
    detail,
    seconds
  }))
})
