/**
 * How much is claimed at once, and by how many: less as soon as the far side has too much, slowly more otherwise.
 *
 * Additive increase, multiplicative decrease: several workers that do not know each other come to equal shares of what
 * the far side bears.
 */

export interface Size {
  /** Rows per claim; at least 1. */
  readonly batch: number
  /** Batches in flight at once; at least 1. */
  readonly slots: number
}

export interface Pressure extends Size {
  /** Clean batches since the last step; below `cleanWindow`. */
  readonly cleanRun: number
}

/**
 * - `clean`: the far side took the request, whatever it said of single rows.
 * - `throttled`: it has too much to do, said of the request or of a row in it.
 * - `too_large`: it takes no request of that length.
 */
export type PressureSign = "clean" | "throttled" | "too_large"

/** As many as to tell a far side that has recovered from one that had a good moment. */
export const cleanWindow = 4
/** Fewer rows per request would not relieve a far side, only ask it more often. Fewer slots do, and the breaker. */
export const throttledBatchMin = 10

export const start = ({ batch, slots }: Size): Pressure => ({ batch, slots, cleanRun: 0 })

const grown = ({ batch, slots }: Size, max: Size): Size => ({
  batch: Math.min(max.batch, batch + Math.ceil(max.batch / 10)),
  slots: Math.min(max.slots, slots + 1)
})

/**
 * A batch ended. Total; given whole numbers it answers whole numbers, from 1 to `max`.
 *
 * `under` is the pressure that the batch was claimed under. The step down is taken from there: several batches that
 * were in flight together and refused together are one sign, not as many halvings.
 *
 * `too_large` goes down to one row, since the row that alone is too large must be found.
 *
 * ```ts
 * note(start({ batch: 500, slots: 4 }), "throttled", { batch: 500, slots: 4 }, start({ batch: 500, slots: 4 }))
 * // => { batch: 250, slots: 3, cleanRun: 0 }
 * ```
 */
export const note = (pressure: Pressure, sign: PressureSign, max: Size, under: Size): Pressure => {
  const batch = Math.min(pressure.batch, max.batch)
  const slots = Math.min(pressure.slots, max.slots)
  const half = Math.floor(under.batch / 2)
  switch (sign) {
    case "clean": {
      const cleanRun = pressure.cleanRun + 1
      return cleanRun < cleanWindow
        ? { batch, slots, cleanRun }
        : { ...grown({ batch, slots }, max), cleanRun: 0 }
    }
    case "throttled":
      return {
        batch: Math.min(batch, Math.max(throttledBatchMin, half)),
        slots: Math.min(slots, Math.max(1, under.slots - 1)),
        cleanRun: 0
      }
    case "too_large":
      return { batch: Math.min(batch, Math.max(1, half)), slots, cleanRun: 0 }
  }
}
