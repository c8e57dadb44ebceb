/** Shows how an import is getting on: a bar to a person at a terminal, a line every few seconds to a log. */
import { Effect } from "effect"
import type { Standing } from "../../../src/import/ImportBatch.ts"
import * as Output from "./Output.ts"

const barWidth = 24
const redrawMs = 100
const lineMs = 3_000
/** Back to the first column, and nothing on the line. */
const wipe = "\r\x1b[K"

const number = (value: number) => Math.round(value).toLocaleString("en")

const clock = (seconds: number) => {
  const whole = Math.round(seconds)
  const [hours, minutes] = [Math.floor(whole / 3_600), Math.floor(whole / 60) % 60]
  const two = (value: number) => String(value).padStart(2, "0")
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

/** `elapsed`: seconds since the line at which this run began. */
const facts = (from: Standing, now: Standing, size: number, elapsed: number) => {
  const done = size === 0 ? 1 : now.offset / size
  const speed = (now.offset - from.offset) / Math.max(elapsed, 0.001)
  const left = speed === 0 ? "" : `, ${clock((size - now.offset) / speed)} left`
  const rate = number((now.imported - from.imported) / Math.max(elapsed, 0.001))
  return {
    done,
    text: `${Math.floor(done * 100)} %, ${number(now.nextLine - 1)} lines, ${rate} blocks/s${left}, ` +
      `${number(now.rejected)} rejected`
  }
}

const bar = (done: number) => {
  const full = Math.round(Math.min(1, done) * barWidth)
  return `[${"#".repeat(full)}${"-".repeat(barWidth - full)}]`
}

export interface ImportMeter {
  /** Before a run's first line. */
  readonly begin: (from: Standing) => Effect.Effect<void>
  readonly move: (now: Standing) => Effect.Effect<void>
  readonly checking: (bytes: number) => void
  /** A line of text that the bar gives way to. */
  readonly say: (line: string) => Effect.Effect<void>
  readonly end: Effect.Effect<void>
}

export const make = (name: string, size: number): ImportMeter => {
  const live = process.stderr.isTTY === true
  const draw = (text: string) => {
    // A line that wraps could not be wiped.
    process.stderr.write(`${wipe}${text.slice(0, (process.stderr.columns ?? 80) - 1)}`)
  }
  let from: Standing | undefined
  let began = performance.now()
  let shown = began
  const due = () => {
    const now = performance.now()
    if (now - shown < (live ? redrawMs : lineMs)) return false
    shown = now
    return true
  }
  return {
    begin: (standing) =>
      Effect.sync(() => {
        from = standing
        began = shown = performance.now()
      }),
    move: (now) =>
      Effect.suspend(() => {
        if (from === undefined || !due()) return Effect.void
        const { done, text } = facts(from, now, size, (performance.now() - began) / 1_000)
        return live ? Effect.sync(() => draw(`${name} ${bar(done)} ${text}`)) : Output.tell(`${name}: ${text}`)
      }),
    checking: (bytes) => {
      if (live && due()) draw(`${name}: checking, ${Math.floor(100 * bytes / Math.max(1, size))} %`)
    },
    say: (line) => Output.tell(`${live ? wipe : ""}${line}`),
    end: Effect.sync(() => {
      if (live) process.stderr.write(wipe)
    })
  }
}
