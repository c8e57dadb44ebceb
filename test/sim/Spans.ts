/** The spans of a run, counted: for whom an attempt was told, without keeping anything else. */
import { Context, type Exit, Option, Tracer } from "effect"

const hex = (number: number, length: number) => number.toString(16).padStart(length, "0")

/** Ids count up, so that a seed's traces are the same in every run. */
class CountedSpan implements Tracer.Span {
  readonly _tag = "Span"
  readonly name: string
  readonly spanId: string
  readonly traceId: string
  readonly parent: Option.Option<Tracer.AnySpan>
  readonly annotations = Context.empty()
  status: Tracer.SpanStatus
  readonly attributes: Map<string, unknown> = new Map()
  readonly links: ReadonlyArray<Tracer.SpanLink> = []
  readonly sampled = true
  readonly kind: Tracer.SpanKind
  private readonly ended: (span: Tracer.Span, isBackwards: boolean) => void

  constructor(
    options: Parameters<Tracer.Tracer["span"]>[0],
    number: number,
    ended: (span: Tracer.Span, isBackwards: boolean) => void
  ) {
    this.ended = ended
    this.name = options.name
    this.parent = options.parent
    this.kind = options.kind
    this.spanId = hex(number, 16)
    this.traceId = Option.getOrUndefined(options.parent)?.traceId ?? hex(number, 32)
    this.status = { _tag: "Started", startTime: options.startTime }
  }

  end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    const { startTime } = this.status
    this.status = { _tag: "Ended", startTime, endTime, exit }
    this.ended(this, endTime < startTime)
  }

  attribute(key: string, value: unknown): void {
    this.attributes.set(key, value)
  }

  event(): void {}
  addLinks(): void {}
}

/** What is told of single rows. */
const told = new Set(["outbox.process", "outbox.attempt_lost"])

export class Spans {
  readonly ofRows: Array<Tracer.Span> = []
  /** Names of spans that ended before they began. */
  readonly backwards: Set<string> = new Set()
  private numbers = 0

  /** `open` are those of its spans that have not ended. */
  tracer(open: Set<Tracer.Span> = new Set()): Tracer.Tracer {
    const ended = (span: Tracer.Span, isBackwards: boolean) => {
      open.delete(span)
      if (isBackwards) this.backwards.add(span.name)
    }
    return Tracer.make({
      span: (options) => {
        const span = new CountedSpan(options, ++this.numbers, ended)
        open.add(span)
        if (told.has(span.name)) this.ofRows.push(span)
        return span
      }
    })
  }
}
