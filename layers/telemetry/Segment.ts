/**
 * What one process records of a trace that was not sampled, from the span that came in or began it to that span's end:
 * then it is exported if it turned out worth it, or waits for another process to say so.
 */
import { SpanKind } from "@opentelemetry/api"
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base"
import { reasonOf } from "../../src/telemetry/KeepRule.ts"
import type { Keeper } from "./Keeper.ts"
import { type RecordedBy, type RecordedTrace, type SpanRecord, toReadable } from "./SpanRecord.ts"

/** So many spans are held as they are; what is more waits as text. */
const openMax = 128

/** What of a span decides. */
export interface SpanFacts {
  readonly hasFailed: boolean
  readonly isDebug: boolean
  readonly lasted: bigint
  readonly isWait: boolean
  /** A request's answer. */
  readonly status: number | undefined
  /** Another process has a part in the trace. */
  readonly isShared: boolean
}

export interface Recorder extends RecordedBy {
  readonly keeper: Keeper
  readonly offer: (span: ReadableSpan) => void
}

const textOf = (records: ReadonlyArray<SpanRecord>) => JSON.stringify(records)
const recordsOf = (text: string) => JSON.parse(text) as ReadonlyArray<SpanRecord>

const leavesRows = (records: ReadonlyArray<SpanRecord>) => records.some(({ k }) => k === SpanKind.PRODUCER)

export class Segment {
  readonly #recorder: Recorder
  readonly #trace: RecordedTrace
  #records: Array<SpanRecord> = []
  #hasFailed = false
  #isDebug = false
  #isShared = false
  #isOver = false

  constructor(recorder: Recorder, trace: RecordedTrace) {
    this.#recorder = recorder
    this.#trace = trace
  }

  /** A span of it has ended; the outermost one's end decides. */
  ended(record: SpanRecord, facts: SpanFacts, isOutermost: boolean): void {
    const { keeper } = this.#recorder
    this.#records.push(record)
    this.#hasFailed ||= facts.hasFailed
    this.#isDebug ||= facts.isDebug
    this.#isShared ||= facts.isShared
    if (keeper.isKept(this.#trace.traceId)) return this.#export()
    if (isOutermost || this.#isOver) return this.#decide(facts)
    if (this.#records.length >= openMax) this.#wait()
  }

  #decide(facts: SpanFacts): void {
    const { keeper } = this.#recorder
    const { traceId } = this.#trace
    this.#isOver = true
    const reason = reasonOf(keeper.rule, { ...facts, hasFailed: this.#hasFailed, isDebug: this.#isDebug })
    if (reason === undefined) {
      this.#wait()
      return keeper.decided(traceId, false)
    }
    keeper.keepFound(traceId, false, this.#isShared)
    this.#export()
  }

  #export(): void {
    const records = this.#records
    this.#records = []
    this.#tell(records)
  }

  #tell(records: ReadonlyArray<SpanRecord>): void {
    if (leavesRows(records)) this.#recorder.keeper.keepFound(this.#trace.traceId, true, true)
    for (const record of records) this.#recorder.offer(toReadable(record, this.#trace, this.#recorder))
  }

  #wait(): void {
    const text = textOf(this.#records)
    const spans = this.#records.length
    this.#records = []
    this.#recorder.keeper.holdSpans({
      traceIds: this.#trace.traceId,
      spans,
      bytes: text.length,
      tell: () => this.#tell(recordsOf(text))
    })
  }
}
