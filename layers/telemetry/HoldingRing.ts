/** What waits for its trace's fate: first in, first out, bounded in time and in bytes. */

export interface Held {
  /** One trace's spans, or many traces' that would have to be made first. */
  readonly traceIds: string | ReadonlyArray<string>
  /** Made already; they count as sampled out once they are forgotten. */
  readonly spans: number
  readonly bytes: number
  readonly tell: (traceId: string) => void
}

export interface HoldingRing {
  /** `now` in milliseconds. Older ones give way; answers how many spans were forgotten. */
  readonly add: (held: Held, now: number) => number
  /** Forgets what has waited for long enough; answers how many spans that were. */
  readonly expire: (now: number) => number
  /** Tells what waits of these traces, and forgets it; answers how many spans that had made already. */
  readonly tell: (wanted: ReadonlySet<string>) => number
  readonly size: () => { readonly entries: number; readonly bytes: number; readonly spans: number }
}

interface Entry {
  readonly held: Held
  readonly at: number
  isTold: boolean
}

/** Beside what it holds, an entry takes about this. */
const entryBytes = 200

export const make = (max: { readonly bytes: number; readonly ms: number }): HoldingRing => {
  let entries: Array<Entry> = []
  let head = 0
  let bytes = 0
  let spans = 0

  const forgetOldest = (): number => {
    const entry = entries[head++]!
    bytes -= entry.held.bytes + entryBytes
    const forgotten = entry.isTold ? 0 : entry.held.spans
    spans -= forgotten
    if (head > 1_024 && head * 2 > entries.length) {
      entries = entries.slice(head)
      head = 0
    }
    return forgotten
  }

  const forgetWhile = (isOver: () => boolean) => {
    let forgotten = 0
    while (head < entries.length && isOver()) forgotten += forgetOldest()
    return forgotten
  }

  const tellOne = (entry: Entry, wanted: ReadonlySet<string>): number => {
    const { held } = entry
    if (typeof held.traceIds !== "string") {
      for (const traceId of held.traceIds) if (wanted.has(traceId)) held.tell(traceId)
      return 0
    }
    if (!wanted.has(held.traceIds)) return 0
    entry.isTold = true
    spans -= held.spans
    held.tell(held.traceIds)
    return held.spans
  }

  return {
    add: (held, now) => {
      entries.push({ held, at: now, isTold: false })
      bytes += held.bytes + entryBytes
      spans += held.spans
      return forgetWhile(() => bytes > max.bytes)
    },
    expire: (now) => forgetWhile(() => now - entries[head]!.at > max.ms),
    tell: (wanted) => {
      if (wanted.size === 0) return 0
      let told = 0
      // What telling adds belongs to traces that are kept already.
      const { length } = entries
      for (let at = head; at < length; at++) if (!entries[at]!.isTold) told += tellOne(entries[at]!, wanted)
      return told
    },
    size: () => ({ entries: entries.length - head, bytes, spans })
  }
}
