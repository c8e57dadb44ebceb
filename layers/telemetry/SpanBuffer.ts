/** Spans that wait for their export: first in, first out, bounded in number and in bytes with what is being sent. */
import type { FinishedSpan } from "./FinishedSpan.ts"

/** The last quarter is for what failed. */
const ordinaryShare = 0.75

export interface Bounds {
  readonly spans: number
  readonly bytes: number
}

export interface SpanBatch {
  readonly spans: ReadonlyArray<FinishedSpan>
  readonly bytes: number
}

export interface SpanBuffer {
  /** `undefined` when it was taken; otherwise the bound that it would break. */
  readonly add: (span: FinishedSpan) => "queue_full" | "bytes_full" | undefined
  /** Whether that many ordinary spans would be taken. */
  readonly hasRoom: (spans: number) => boolean
  /** The oldest ones, which count as being sent until `settle` or `giveBack`. */
  readonly take: (atMost: number) => SpanBatch
  /** What was taken is done with, whatever became of it. */
  readonly settle: (batch: SpanBatch) => void
  /** What was taken is to be taken again, before all others. */
  readonly giveBack: (batch: SpanBatch) => void
  /** Waiting to be taken. */
  readonly waiting: () => number
  /** Waiting or being sent. */
  readonly held: () => Bounds
}

export const make = (max: Bounds): SpanBuffer => {
  let queue: Array<FinishedSpan> = []
  let head = 0
  let sent = 0
  let bytes = 0

  const waiting = () => queue.length - head
  const held = (): Bounds => ({ spans: waiting() + sent, bytes })

  return {
    add: (span) => {
      const share = span.hasFailed ? 1 : ordinaryShare
      const { size } = span
      if (waiting() + sent + 1 > Math.max(1, max.spans * share)) return "queue_full"
      if (bytes + size > max.bytes * share) return "bytes_full"
      queue.push(span)
      bytes += size
      return undefined
    },
    hasRoom: (spans) => waiting() + sent + spans <= max.spans * ordinaryShare && bytes < max.bytes * ordinaryShare,
    take: (atMost) => {
      const spans = queue.slice(head, head + atMost)
      head += spans.length
      if (head > 1_024 && head * 2 > queue.length) {
        queue = queue.slice(head)
        head = 0
      }
      sent += spans.length
      return { spans, bytes: spans.reduce((sum, { size }) => sum + size, 0) }
    },
    settle: (batch) => {
      sent -= batch.spans.length
      bytes -= batch.bytes
    },
    giveBack: (batch) => {
      queue = [...batch.spans, ...queue.slice(head)]
      head = 0
      sent -= batch.spans.length
    },
    waiting,
    held
  }
}
