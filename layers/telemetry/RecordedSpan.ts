/** An Effect span recorded by OpenTelemetry's conventions: success leaves the status unset, an error is short. */
import * as OtelTracer from "@effect/opentelemetry/OtelTracer"
import * as Otel from "@opentelemetry/api"
import { RandomIdGenerator, SamplingDecision } from "@opentelemetry/sdk-trace-base"
import { Cause, Context, Exit, Option, type Tracer } from "effect"
import { attribute as debugAttribute, DebugTrace } from "../../src/telemetry/DebugTrace.ts"
import { failureOf } from "../../src/telemetry/SpanFailure.ts"
import { asDebug } from "./DebugSampler.ts"
import { FinishedSpan, type SpanEvent, type SpanLink } from "./FinishedSpan.ts"
import { type Recording, Segment, type SpanFacts } from "./Segment.ts"
import { telemetryFailed } from "./TelemetryErrors.ts"

const kinds = {
  internal: Otel.SpanKind.INTERNAL,
  server: Otel.SpanKind.SERVER,
  client: Otel.SpanKind.CLIENT,
  producer: Otel.SpanKind.PRODUCER,
  consumer: Otel.SpanKind.CONSUMER
} as const

const attributeValue = (value: unknown): Otel.AttributeValue =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : String(value)

const attributesOf = (values: Iterable<readonly [string, unknown]>): Otel.Attributes => {
  const attributes: Otel.Attributes = {}
  for (const [key, value] of values) attributes[key] = attributeValue(value)
  return attributes
}

/** OpenTelemetry's defaults. */
const [attributesMax, eventsMax, linksMax] = [128, 128, 128]

const linkOf = ({ attributes, span }: Tracer.SpanLink): SpanLink => ({
  context: spanContextOf(span),
  attributes: attributesOf(Object.entries(attributes))
})

/** Says that the trace id is random. Samplers know nothing of it; whoever goes on with a trace must not lose it. */
const randomFlag = 0x02

export const spanContextOf = (span: Tracer.AnySpan): Otel.SpanContext => {
  if (span instanceof RecordedSpan) return span.context
  const traceState = Context.getOrUndefined(span.annotations, OtelTracer.OtelTraceState)
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    isRemote: true,
    traceFlags: Context.getOrUndefined(span.annotations, OtelTracer.OtelTraceFlags) ?? (span.sampled ? 1 : 0),
    ...(traceState === undefined ? {} : { traceState })
  }
}

const errorType = "error.type"

type Options = Parameters<Tracer.Tracer["span"]>[0]

const rootContext = ({ annotations }: Options): Otel.Context =>
  Context.get(annotations, DebugTrace) ? asDebug(Otel.ROOT_CONTEXT) : Otel.ROOT_CONTEXT

const ids = new RandomIdGenerator()

/** Where a trace comes in or begins, the sampler is asked; all that is below would get the same answer. */
const begun = ({ recorder, sampler }: Recording, options: Options, parent: Otel.SpanContext | undefined): Segment => {
  const traceId = parent?.traceId ?? ids.generateTraceId()
  const context = parent === undefined ? rootContext(options) : Otel.trace.setSpanContext(Otel.ROOT_CONTEXT, parent)
  const { decision, traceState } = sampler.shouldSample(context, traceId, options.name, kinds[options.kind], {}, [])
  const sampled = decision === SamplingDecision.RECORD_AND_SAMPLED ? Otel.TraceFlags.SAMPLED : Otel.TraceFlags.NONE
  const flags = sampled | ((parent?.traceFlags ?? 0) & randomFlag)
  return new Segment(traceId, flags, traceState ?? parent?.traceState, recorder)
}

/** What observes must not change what happens, so whatever is thrown while a span is told ends here. */
export class RecordedSpan implements Tracer.Span {
  readonly _tag = "Span"
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly annotations: Context.Context<never>
  readonly parent: Option.Option<Tracer.AnySpan>
  readonly links: Array<Tracer.SpanLink>
  readonly traceId: string
  readonly spanId: string
  readonly sampled: boolean
  status: Tracer.SpanStatus
  readonly #recording: Recording
  readonly #segment: Segment
  readonly #parentId: string | undefined
  /** The span that brought the trace here, or began it. */
  readonly #isOutermost: boolean
  readonly #attributes: Otel.Attributes = {}
  #count = 0
  #events: Array<SpanEvent> | undefined

  constructor(recording: Recording, options: Options) {
    this.name = options.name
    this.kind = options.kind
    this.annotations = options.annotations
    this.parent = options.root ? Option.none() : options.parent
    this.links = options.links
    this.status = { _tag: "Started", startTime: options.startTime }
    this.#recording = recording
    const parent = Option.getOrUndefined(this.parent)
    if (parent instanceof RecordedSpan) {
      this.#isOutermost = false
      this.#segment = parent.#segment
      this.#parentId = parent.spanId
    } else {
      const above = parent === undefined ? undefined : spanContextOf(parent)
      const known = above !== undefined && Otel.isSpanContextValid(above) ? above : undefined
      this.#isOutermost = true
      this.#segment = begun(recording, options, known)
      this.#parentId = known?.spanId
    }
    this.traceId = this.#segment.traceId
    this.spanId = ids.generateSpanId()
    this.sampled = this.#segment.isSampled
  }

  get context(): Otel.SpanContext {
    const { flags, state } = this.#segment
    const context = { traceId: this.traceId, spanId: this.spanId, traceFlags: flags }
    return state === undefined ? context : { ...context, traceState: state }
  }

  get attributes(): ReadonlyMap<string, unknown> {
    return new Map(Object.entries(this.#attributes))
  }

  attribute(key: string, value: unknown): void {
    if (this.status._tag === "Ended") return
    try {
      const known = attributeValue(value)
      if (this.#attributes[key] === undefined && ++this.#count > attributesMax) return
      this.#attributes[key] = known
    } catch (error) {
      telemetryFailed(error)
    }
  }

  event(name: string, startTime: bigint, attributes: Record<string, unknown> = {}): void {
    if (!this.#segment.isWanted || (this.#events ??= []).length >= eventsMax) return
    try {
      this.#events.push({ name, nanos: startTime, attributes: attributesOf(Object.entries(attributes)) })
    } catch (error) {
      telemetryFailed(error)
    }
  }

  addLinks(links: ReadonlyArray<Tracer.SpanLink>): void {
    this.links.push(...links)
  }

  end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    if (this.status._tag === "Ended") return
    const { startTime } = this.status
    try {
      this.#finish(startTime, endTime < startTime ? startTime : endTime, exit)
    } catch (error) {
      telemetryFailed(error)
    }
    this.status = { _tag: "Ended", startTime, endTime, exit }
  }

  #finish(begun: bigint, ended: bigint, exit: Exit.Exit<unknown, unknown>): void {
    const segment = this.#segment
    if (!segment.isWanted) return segment.passed()
    const isInterrupted = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
    if (isInterrupted) this.attribute("interrupted", true)
    const failure = Exit.isFailure(exit) && !isInterrupted ? failureOf(Cause.squash(exit.cause)) : undefined
    if (failure !== undefined && this.#attributes[errorType] === undefined) this.attribute(errorType, failure.type)
    const span = new FinishedSpan(
      {
        name: this.name,
        kind: kinds[this.kind],
        spanId: this.spanId,
        parentId: this.#parentId,
        isRemote: this.#isOutermost,
        begun,
        ended,
        attributes: this.#attributes,
        error: failure?.text,
        links: this.links.length === 0 ? undefined : this.links.slice(0, linksMax).map(linkOf),
        events: this.#events
      },
      segment,
      this.#recording
    )
    if (this.sampled) segment.sampled(span, this.#isOutermost)
    else segment.ended(span, this.#facts(ended - begun, failure !== undefined), this.#isOutermost)
  }

  #facts(lasted: bigint, hasFailed: boolean): SpanFacts {
    const values = this.#attributes
    const status = values["http.response.status_code"]
    return {
      hasFailed: hasFailed || values["result"] === "failed",
      isDebug: values[debugAttribute] === true,
      lasted,
      isWait: this.name === "outbox.wait",
      status: typeof status === "number" ? status : undefined,
      isShared: this.kind === "producer" || (this.#isOutermost && this.#parentId !== undefined) ||
        values["rpc.system.name"] !== undefined
    }
  }
}
