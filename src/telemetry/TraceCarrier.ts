/** Between live spans and the text that a header or a row carries. */
import { Context, Effect, Option, Tracer } from "effect"
import { formatTraceparent, parseTraceparent, type TraceContext } from "../domain/TraceContext.ts"

export interface TraceCarrier {
  /** `undefined` for the placeholder span of a disabled tracer: its ids must never be written anywhere. */
  readonly inject: (span: Tracer.AnySpan) => TraceContext | undefined
  /** The stored context as a parent; `undefined` when there is none or it is damaged. */
  readonly extract: (context: TraceContext | null) => Tracer.ExternalSpan | undefined
}

/** The default loses `tracestate`, which Effect's own spans have no place for; the OpenTelemetry layer keeps it. */
export const TraceCarrier = Context.Reference<TraceCarrier>("wordloom/telemetry/TraceCarrier", {
  defaultValue: () => ({
    inject: (span) => {
      const traceparent = formatTraceparent({
        traceId: span.traceId,
        spanId: span.spanId,
        flags: span.sampled ? 1 : 0
      })
      return traceparent === undefined ? undefined : { traceparent, tracestate: null }
    },
    extract: (context) => {
      const ids = parseTraceparent(context?.traceparent)
      return ids === undefined
        ? undefined
        : Tracer.externalSpan({ traceId: ids.traceId, spanId: ids.spanId, sampled: (ids.flags & 1) === 1 })
    }
  })
})

/** A carrier that cannot hurt what it is used for: when it throws there is no context, and `onError` hears of it. */
export const safeCarrier = ({ extract, inject }: TraceCarrier, onError: (error: unknown) => void): TraceCarrier => {
  const attempt = <A>(make: () => A): A | undefined => {
    try {
      return make()
    } catch (error) {
      onError(error)
      return undefined
    }
  }
  return {
    inject: (span) => attempt(() => inject(span)),
    extract: (context) => attempt(() => extract(context))
  }
}

/** What a request or a message to another program carries: the context of the span that is open around the sending. */
export const outbound: Effect.Effect<Readonly<Record<string, string>>> = Effect.gen(function*() {
  const span = yield* Effect.option(Effect.currentParentSpan)
  const carrier = yield* TraceCarrier
  const context = Option.isSome(span) ? carrier.inject(span.value) : undefined
  return {
    ...(context === undefined ? {} : { traceparent: context.traceparent }),
    ...(context === undefined || context.tracestate === null ? {} : { tracestate: context.tracestate })
  }
})
