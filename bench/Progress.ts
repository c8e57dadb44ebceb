/** What is being measured now: one line that is written over on a terminal, one line per run elsewhere. */

export interface Progress {
  /** `done` of `all` runs are finished; `doing` is the next. */
  readonly step: (done: number, all: number, doing: string) => void
  readonly end: () => void
}

const { isTTY: isTerminal }: { readonly isTTY?: boolean } = process.stderr

export const begin = (stage: string): Progress => {
  const startedAt = performance.now()
  return {
    step: (done, all, doing) => {
      const seconds = Math.round((performance.now() - startedAt) / 1_000)
      const text = `${stage} ${done}/${all} ${seconds}s ${doing}`
      process.stderr.write(isTerminal ? `\r\x1b[K${text}` : `${text}\n`)
    },
    end: () => {
      if (isTerminal) process.stderr.write("\r\x1b[K")
    }
  }
}

/** Every pair of a round and a thing, rounds outside; each round begins with another thing: none is always first. */
export const interleaved = <A>(rounds: number, things: ReadonlyArray<A>) =>
  Array.from(
    { length: rounds },
    (_, round) => things.map((_, at) => ({ round, thing: things[(at + round) % things.length]! }))
  ).flat()
