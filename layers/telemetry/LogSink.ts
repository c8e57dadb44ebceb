/**
 * Standard output, as far as it takes lines: whoever reads it slowly, or not at all, or left no room on a disk, loses
 * lines and holds up nobody. What was lost is counted, and said in the log once it flows again.
 */
import { Effect } from "effect"
import { fstatSync, write as writeFile, writeSync } from "node:fs"
import { logLinesDropped } from "../../src/telemetry/Metrics.ts"
import { quietly, telemetryFailed } from "../../src/telemetry/TelemetryFailure.ts"

/** Where text goes; `done` is called once, after the call has returned, when the next text may come. */
export interface LogOutput {
  readonly write: (text: string, done: (error?: unknown) => void) => void
  /** What can still be written while the process exits. */
  readonly last: (text: string) => void
}

export interface LogSink {
  readonly write: (line: string) => void
  /** Waits until everything is written. */
  readonly drained: Effect.Effect<void>
  /** Hands over what waits, without waiting for it: the process exits. */
  readonly flush: () => void
}

/** Some thousand lines. */
const bytesMax = 1_048_576
/** Under what a pipe holds, so that a reader that lags is not handed everything at once. */
const chunkMax = 32_768

/** `lost` makes the line that tells of lines that were not written. */
export const make = (output: LogOutput, lost: (lines: number) => string, max = bytesMax): LogSink => {
  let queue: Array<string> = []
  let bytes = 0
  let inFlight = 0
  let dropped = 0
  let waiting: Array<() => void> = []

  const drop = (lines: number, reason: "full" | "failed") => {
    dropped += lines
    logLinesDropped.addUnsafe({ reason }, lines)
  }

  const next = () => {
    let size = 0
    let lines = 0
    while (lines < queue.length && (lines === 0 || size + queue[lines]!.length <= chunkMax)) {
      size += queue[lines++]!.length
    }
    const taken = queue.slice(0, lines)
    queue = queue.slice(lines)
    bytes -= size
    return taken
  }

  const finished = (lines: number) => (error?: unknown) => {
    inFlight = 0
    if (error !== undefined && error !== null) drop(lines, "failed")
    else if (dropped > 0 && queue.length === 0) {
      const missing = dropped
      dropped = 0
      push(`${lost(missing)}\n`)
    }
    pump()
  }

  const pump = () => {
    if (inFlight > 0) return
    if (queue.length === 0) {
      const waited = waiting
      waiting = []
      for (const resume of waited) resume()
      return
    }
    const lines = next()
    inFlight = lines.length
    const done = finished(lines.length)
    try {
      output.write(lines.join(""), done)
    } catch (error) {
      telemetryFailed(error)
      done(error)
    }
  }

  const push = (line: string) => {
    if (bytes + line.length > max) return drop(1, "full")
    queue.push(line)
    bytes += line.length
  }

  return {
    write: (line) => {
      push(`${line}\n`)
      pump()
    },
    drained: Effect.callback<void>((resume) => {
      waiting.push(() => resume(Effect.void))
      pump()
    }),
    flush: () => {
      const rest = queue.join("")
      queue = []
      bytes = 0
      if (rest !== "") quietly(() => output.last(rest))
    }
  }
}

/** A pipe, a socket or a terminal: Node hands over what the other side takes, and keeps the rest until it takes more. */
const stream = (to: NodeJS.WriteStream): LogOutput => ({
  write: (text, done) => void to.write(text, done),
  last: (text) => void to.write(text)
})

/** A file is written from another thread, since a disk may be slow; Node's own way would wait for it. */
const file = (descriptor: number): LogOutput => {
  // A line of which only a part found room is ended before the next one begins.
  let isTorn = false
  const rest = (bytes: Buffer, done: (error?: unknown) => void, written = 0): void =>
    writeFile(descriptor, bytes, written, (error, more) => {
      const total = written + (more ?? 0)
      if (error === null && total < bytes.length && more > 0) return rest(bytes, done, total)
      isTorn = total < bytes.length && total > 0 && bytes[total - 1] !== 10
      done(total < bytes.length ? error ?? new Error("nothing more was taken") : undefined)
    })
  return {
    write: (text, done) => rest(Buffer.from(isTorn ? `\n${text}` : text), done),
    last: (text) => void writeSync(descriptor, text)
  }
}

export const standardOutput = (): LogOutput => {
  const { fd } = process.stdout
  try {
    if (fstatSync(fd).isFile()) return file(fd)
  } catch {
    // Closed: each write says so.
  }
  return stream(process.stdout)
}
