/** Shows how an import is getting on. */
import { Effect } from "effect"
import type { Standing } from "../../../src/import/ImportBatch.ts"
import * as Meter from "./Meter.ts"

const { clock, number } = Meter

/** `elapsed`: seconds since the line at which this run began. */
const facts = (from: Standing, now: Standing, size: number, elapsed: number): Meter.Facts => {
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

export interface ImportMeter extends Pick<Meter.Meter, "say" | "end"> {
  /** Before a run's first line. */
  readonly begin: (from: Standing) => Effect.Effect<void>
  readonly move: (now: Standing) => Effect.Effect<void>
  readonly checking: (bytes: number) => void
}

export const make = (name: string, size: number): ImportMeter => {
  const meter = Meter.make(name)
  let from: Standing | undefined
  return {
    ...meter,
    begin: (standing) =>
      Effect.andThen(
        Effect.sync(() => {
          from = standing
        }),
        meter.begin
      ),
    move: (now) =>
      Effect.suspend(() => {
        const begun = from
        return begun === undefined ? Effect.void : meter.move((elapsed) => facts(begun, now, size, elapsed))
      }),
    checking: (bytes) => meter.remark(() => `checking, ${Math.floor(100 * bytes / Math.max(1, size))} %`)
  }
}
