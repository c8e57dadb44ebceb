/** An Effect span recorded by OpenTelemetry, by its conventions: success leaves the status unset, an error is short. */
import * as OtelTracer from "@effect/opentelemetry/OtelTracer"
import * as Otel from "@opentelemetry/api"
import { RandomIdGenerator } from "@opentelemetry/sdk-trace-base"
import { Cause, Context, Exit, Option, type Tracer } from "effect"
import { excerpt } from "../../src/domain/Text.ts"
import { attribute as debugAttribute, DebugTrace } from "../../src/telemetry/DebugTrace.ts"
import { asDebug } from "./DebugSampler.ts"
import { type Recorder, Segment, type SpanFacts } from "./Segment.ts"
import { sampledOut } from "./SpanCounts.ts"
import { hrTime, type SpanRecord } from "./SpanRecord.ts"
import { telemetryFailed } from "./TelemetryErrors.ts"

/** Contract §5: longer error text, and every stack, belongs to the log. */
const messageMax = 256

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
const [eventsMax, linksMax] = [128, 128]

const linkOf = ({ attributes, span }: Tracer.SpanLink) => ({
  t: span.traceId,
  s: span.spanId,
  f: spanContextOf(span).traceFlags,
  a: attributesOf(Object.entries(attributes))
})

/** Says that the trace id is random. OpenTelemetry's tracer loses it; whoever goes on with a trace must not. */
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

const messageOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  const text = error instanceof Error ? error.message || error.name : String(error)
  return excerpt(text.split("\n", 1)[0] ?? "", messageMax)
}

/** What observes must not change what happens, so whatever the SDK or a processor throws ends here. */
const quietly = (tell: () => void): void => {
  try {
    tell()
  } catch (error) {
    telemetryFailed(error)
  }
}

type Options = Parameters<Tracer.Tracer["span"]>[0]

const rootContext = ({ annotations }: Options): Otel.Context =>
  Context.get(annotations, DebugTrace) ? asDebug(Otel.ROOT_CONTEXT) : Otel.ROOT_CONTEXT

const begun = (tracer: Otel.Tracer, options: Options, parent: Otel.SpanContext | undefined): Otel.Span =>
  tracer.startSpan(
    options.name,
    {
      kind: kinds[options.kind],
      startTime: hrTime(options.startTime),
      links: options.links.map(({ attributes, span }) => ({
        context: spanContextOf(span),
        attributes: attributesOf(Object.entries(attributes))
      }))
    },
    parent === undefined ? rootContext(options) : Otel.trace.setSpanContext(Otel.ROOT_CONTEXT, parent)
  )

const ids = new RandomIdGenerator()

/** Of a span whose parent was not sampled here. Every sampler would say the same, at the price of asking it. */
const below = ({ traceId, traceState }: Otel.SpanContext): Otel.Span =>
  Otel.trace.wrapSpanContext({
    traceId,
    spanId: ids.generateSpanId(),
    traceFlags: Otel.TraceFlags.NONE,
    ...(traceState === undefined ? {} : { traceState })
  })

export class RecordedSpan implements Tracer.Span {
  readonly _tag = "Span"
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly annotations: Context.Context<never>
  readonly parent: Option.Option<Tracer.AnySpan>
  readonly links: Array<Tracer.SpanLink>
  readonly attributes = new Map<string, unknown>()
  readonly otel: Otel.Span
  readonly context: Otel.SpanContext
  readonly traceId: string
  readonly spanId: string
  readonly sampled: boolean
  readonly #recorder: Recorder | undefined
  /** Of a span that is not sampled, where somebody may yet want it. */
  readonly #segment: Segment | undefined
  #events: Array<NonNullable<SpanRecord["e"]>[number]> | undefined
  status: Tracer.SpanStatus

  constructor(tracer: Otel.Tracer, options: Options, recorder?: Recorder) {
    this.name = options.name
    this.kind = options.kind
    this.annotations = options.annotations
    this.parent = options.root ? Option.none() : options.parent
    this.links = options.links
    this.status = { _tag: "Started", startTime: options.startTime }
    const parent = Option.getOrUndefined(Option.map(this.parent, spanContextOf))
    const above = this.#segmentAbove
    this.otel = above === undefined || parent === undefined ? begun(tracer, options, parent) : below(parent)
    const made = this.otel.spanContext()
    this.context = { ...made, traceFlags: made.traceFlags | ((parent?.traceFlags ?? 0) & randomFlag) }
    this.traceId = made.traceId
    this.spanId = made.spanId
    this.sampled = (made.traceFlags & Otel.TraceFlags.SAMPLED) !== 0
    this.#recorder = recorder
    const isWanted = !this.sampled && recorder !== undefined && recorder.keeper.rule.reasons.size > 0
    this.#segment = above ?? (isWanted ? this.#segmentOf(recorder) : undefined)
  }

  #segmentOf(recorder: Recorder): Segment {
    const tracestate = this.context.traceState?.serialize() || null
    return new Segment(recorder, { traceId: this.traceId, tracestate })
  }

  get #segmentAbove(): Segment | undefined {
    const parent = this.#parentHere
    return parent === undefined ? undefined : parent.#segment
  }

  get #parentHere(): RecordedSpan | undefined {
    const parent = Option.getOrUndefined(this.parent)
    return parent instanceof RecordedSpan ? parent : undefined
  }

  /** The span that brought the trace here, or began it. */
  get #isOutermost(): boolean {
    return this.#parentHere === undefined
  }

  /** Handed on at the end, all at once: one by one they were most of what a span costs. */
  attribute(key: string, value: unknown): void {
    this.attributes.set(key, value)
  }

  event(name: string, startTime: bigint, attributes: Record<string, unknown> = {}): void {
    quietly(() => {
      const known = attributesOf(Object.entries(attributes))
      if (this.sampled) this.otel.addEvent(name, known, hrTime(startTime))
      else if (this.#segment !== undefined && (this.#events ??= []).length < eventsMax) {
        this.#events.push({ n: name, b: String(startTime), a: known })
      }
    })
  }

  addLinks(links: ReadonlyArray<Tracer.SpanLink>): void {
    this.links.push(...links)
    quietly(() =>
      this.otel.addLinks(
        links.map(({ attributes, span }) => ({
          context: spanContextOf(span),
          attributes: attributesOf(Object.entries(attributes))
        }))
      )
    )
  }

  end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    if (this.status._tag === "Ended") return
    this.status = { _tag: "Ended", startTime: this.status.startTime, endTime, exit }
    quietly(() => {
      if (this.sampled) this.#export(endTime, exit)
      else if (this.#segment !== undefined) this.#wait(this.#segment, endTime, exit)
      else if (this.#recorder !== undefined) sampledOut(1)
    })
  }

  #export(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    this.otel.setAttributes(attributesOf(this.attributes))
    if (Exit.isFailure(exit)) {
      if (Cause.hasInterruptsOnly(exit.cause)) this.otel.setAttribute("interrupted", true)
      else this.otel.setStatus({ code: Otel.SpanStatusCode.ERROR, message: messageOf(exit.cause) })
    }
    this.otel.end(hrTime(endTime))
    if (this.#isOutermost) this.#recorder?.keeper.decided(this.traceId, true)
  }

  #wait(segment: Segment, endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    const isInterrupted = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
    if (isInterrupted) this.attributes.set("interrupted", true)
    const error = Exit.isFailure(exit) && !isInterrupted ? messageOf(exit.cause) : undefined
    segment.ended(this.#record(endTime, error), this.#facts(endTime, error !== undefined), this.#isOutermost)
  }

  #record(endTime: bigint, error: string | undefined): SpanRecord {
    const parent = Option.getOrUndefined(this.parent)
    // All of one shape, which is faster to make and to write than one without what it does not have.
    return {
      n: this.name,
      k: kinds[this.kind],
      s: this.spanId,
      f: this.context.traceFlags,
      p: parent?.spanId,
      r: parent?._tag === "ExternalSpan" ? true : undefined,
      b: String(this.status.startTime),
      d: Math.max(0, Number(endTime - this.status.startTime)),
      a: attributesOf(this.attributes),
      x: error,
      l: this.links.length === 0 ? undefined : this.links.slice(0, linksMax).map(linkOf),
      e: this.#events
    }
  }

  #facts(endTime: bigint, hasFailed: boolean): SpanFacts {
    const { attributes } = this
    const status = attributes.get("http.response.status_code")
    return {
      hasFailed: hasFailed || attributes.get("result") === "failed",
      isDebug: attributes.get(debugAttribute) === true,
      lasted: endTime - this.status.startTime,
      isWait: this.name === "outbox.wait",
      status: typeof status === "number" ? status : undefined,
      isShared: this.kind === "producer" || (this.#isOutermost && Option.isSome(this.parent)) ||
        attributes.has("rpc.system.name")
    }
  }
}
