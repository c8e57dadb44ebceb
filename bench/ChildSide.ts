/** The measured process's side of the talk with the benchmark: a line when it is ready, one line with what it found. */
import { randomInt } from "node:crypto"
import { writeSync } from "node:fs"

export const readyMark = "bench-ready "
export const resultMark = "bench-result "

/** Written at once and whole: the process may end right after. */
const say = (line: string) => {
  const bytes = Buffer.from(`${line}\n`)
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(1, bytes, at)
    } catch (error) {
      // A full pipe is emptied by the reader; nothing else here is worth going on for.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error
    }
  }
}

/** `detail` is for who waits: a port, for one. */
export const ready = (detail = "") => say(`${readyMark}${detail}`)
export const report = (result: unknown) => say(resultMark + JSON.stringify(result))

/** Calls `then` when the benchmark closes the input, which also happens when it dies. */
export const whenTold = (then: () => void) => {
  process.stdin.once("end", then).once("error", then).resume()
  const input: { unref?: () => void } = process.stdin
  input.unref?.()
}

/** CLOCK_MONOTONIC in nanoseconds, the same in all processes of the machine; as text, since JSON knows no bigint. */
export const monotonic = () => String(process.hrtime.bigint())

export interface Sample {
  readonly key: string
  readonly sentAt: string
  readonly ackedAt: string
}

/** The first samples warm both sides up and are not told. */
const warmUps = 20

/** Sends one sample after the other with random gaps, so that none falls into step with a poll. */
export const produce = async (count: number, keyOf: (n: number) => string, send: (key: string) => Promise<unknown>) => {
  const samples: Array<Sample> = []
  for (let n = -warmUps; n < count; n++) {
    await new Promise((done) => setTimeout(done, randomInt(40_000) / 1_000))
    const key = keyOf(n)
    const sentAt = monotonic()
    await send(key)
    const ackedAt = monotonic()
    if (n >= 0) samples.push({ key, sentAt, ackedAt })
  }
  return samples
}
