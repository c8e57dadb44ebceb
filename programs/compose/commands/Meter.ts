/** Shows how something long is getting on: a bar to a person at a terminal, a line every few seconds to a log. */
import { Effect } from "effect"
import * as Output from "./Output.ts"

const barWidth = 24
const redrawMs = 100
const lineMs = 3_000
/** Back to the first column, and nothing on the line. */
const wipe = "\r\x1b[K"

export const number = (value: number) => Math.round(value).toLocaleString("en")

export const clock = (seconds: number) => {
  const whole = Math.round(seconds)
  const [hours, minutes] = [Math.floor(whole / 3_600), Math.floor(whole / 60) % 60]
  const two = (value: number) => String(value).padStart(2, "0")
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

const bar = (done: number) => {
  const full = Math.round(Math.min(1, done) * barWidth)
  return `[${"#".repeat(full)}${"-".repeat(barWidth - full)}]`
}

export interface Facts {
  /** From 0 to 1. */
  readonly done: number
  readonly text: string
}

export interface Meter {
  /** From here on rates are counted. */
  readonly begin: Effect.Effect<void>
  /** `facts` of the seconds since the beginning; asked for only when there is something to draw. */
  readonly move: (facts: (elapsed: number) => Facts) => Effect.Effect<void>
  /** A passing remark, for a person only. */
  readonly remark: (text: () => string) => void
  /** A line of text that the bar gives way to. */
  readonly say: (line: string) => Effect.Effect<void>
  readonly end: Effect.Effect<void>
}

export const make = (name: string): Meter => {
  const live = process.stderr.isTTY === true
  const draw = (text: string) => {
    // A line that wraps could not be wiped.
    process.stderr.write(`${wipe}${text.slice(0, (process.stderr.columns ?? 80) - 1)}`)
  }
  let began = performance.now()
  let shown = began
  const due = () => {
    const now = performance.now()
    if (now - shown < (live ? redrawMs : lineMs)) return false
    shown = now
    return true
  }
  return {
    begin: Effect.sync(() => {
      began = shown = performance.now()
    }),
    move: (facts) =>
      Effect.suspend(() => {
        if (!due()) return Effect.void
        const { done, text } = facts((performance.now() - began) / 1_000)
        return live ? Effect.sync(() => draw(`${name} ${bar(done)} ${text}`)) : Output.tell(`${name}: ${text}`)
      }),
    remark: (text) => {
      if (live && due()) draw(`${name}: ${text()}`)
    },
    say: (line) => Output.tell(`${live ? wipe : ""}${line}`),
    end: Effect.sync(() => {
      if (live) process.stderr.write(wipe)
    })
  }
}
