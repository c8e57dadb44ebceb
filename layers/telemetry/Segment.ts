/**
 * What one process records of a trace, from the span that came in or began it to that span's end: sampled spans are
 * exported as they end; the others once one of them turned out worth it, or wait for another process to say so.
 */
import { SpanKind, TraceFlags, type TraceState } from "@opentelemetry/api"
import type { Sampler } from "@opentelemetry/sdk-trace-base"
import { keptAnyway } from "../../src/telemetry/Baseline.ts"
import { reasonOf } from "../../src/telemetry/KeepRule.ts"
import { FinishedSpan, type RecordedBy, type TraceHere } from "./FinishedSpan.ts"
import type { Keeper } from "./Keeper.ts"
import { sampledOut } from "./SpanCounts.ts"
import { TraceStateText } from "./TraceStateText.ts"

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

/** Where spans go, if they go anywhere. */
export interface Recorder {
  readonly keeper: Keeper
  readonly offer: (span: FinishedSpan) => void
}

/** Of one service: who decides at the beginning of a trace, and where its spans go. */
export interface Recording extends RecordedBy {
  readonly sampler: Sampler
  readonly recorder: Recorder | undefined
}

/** Of a trace that is kept though it was not sampled. */
export const keptState = (tracestate: string | null): TraceState => new TraceStateText(keptAnyway(tracestate))

export class Segment implements TraceHere {
  readonly traceId: string
  readonly #flags: number
  readonly #state: TraceState | undefined
  readonly #recorder: Recorder | undefined
  #held: Array<FinishedSpan> = []
  #hasFailed = false
  #isDebug = false
  #isShared = false
  #isOver = false

  constructor(traceId: string, flags: number, state: TraceState | undefined, recorder: Recorder | undefined) {
    this.traceId = traceId
    this.#flags = flags
    this.#state = state
    this.#recorder = recorder
  }

  get isSampled(): boolean {
    return (this.#flags & TraceFlags.SAMPLED) !== 0
  }

  /** Somebody may want its spans. */
  get isWanted(): boolean {
    return this.#recorder !== undefined && (this.isSampled || this.#recorder.keeper.rule.reasons.size > 0)
  }

  /** As it goes on to others. */
  get flags(): number {
    return this.#flags
  }

  get state(): TraceState | undefined {
    return this.#state
  }

  /** As it is told: what is told of a trace is kept. */
  get traceFlags(): number {
    return this.#flags | TraceFlags.SAMPLED
  }

  get traceState(): TraceState | undefined {
    return this.isSampled ? this.#state : keptState(this.#state?.serialize() || null)
  }

  /** A span of it has ended that nobody wants. */
  passed(): void {
    if (this.#recorder !== undefined) sampledOut(1)
  }

  /** A span of it has ended, and it was sampled. */
  sampled(span: FinishedSpan, isOutermost: boolean): void {
    this.#recorder?.offer(span)
    if (isOutermost) this.#recorder?.keeper.decided(this.traceId, true)
  }

  /** A span of it has ended; the outermost one's end decides. */
  ended(span: FinishedSpan, facts: SpanFacts, isOutermost: boolean): void {
    const recorder = this.#recorder
    if (recorder === undefined) return
    // What waits as one text is of one service.
    if (this.#held.length > 0 && this.#held[0]!.by !== span.by) this.#wait(recorder)
    this.#held.push(span)
    this.#hasFailed ||= facts.hasFailed
    this.#isDebug ||= facts.isDebug
    this.#isShared ||= facts.isShared
    if (recorder.keeper.isKept(this.traceId)) return this.#tellHeld(recorder)
    if (isOutermost || this.#isOver) return this.#decide(recorder, facts)
    if (this.#held.length >= openMax) this.#wait(recorder)
  }

  #decide(recorder: Recorder, facts: SpanFacts): void {
    const { keeper } = recorder
    this.#isOver = true
    const reason = reasonOf(keeper.rule, { ...facts, hasFailed: this.#hasFailed, isDebug: this.#isDebug })
    if (reason === undefined) {
      this.#wait(recorder)
      return keeper.decided(this.traceId, false)
    }
    keeper.keepFound(this.traceId, false, this.#isShared)
    this.#tellHeld(recorder)
  }

  #tellHeld(recorder: Recorder): void {
    const spans = this.#held
    this.#held = []
    this.#tell(recorder, spans)
  }

  #tell({ keeper, offer }: Recorder, spans: ReadonlyArray<FinishedSpan>): void {
    if (spans.some(({ kind }) => kind === SpanKind.PRODUCER)) keeper.keepFound(this.traceId, true, true)
    for (const span of spans) offer(span)
  }

  #wait(recorder: Recorder): void {
    const spans = this.#held
    this.#held = []
    const [text, { by }] = [FinishedSpan.pack(spans), spans[0]!]
    recorder.keeper.holdSpans({
      traceIds: this.traceId,
      spans: spans.length,
      bytes: text.length,
      tell: () => this.#tell(recorder, FinishedSpan.unpack(text, this, by))
    })
  }
}
