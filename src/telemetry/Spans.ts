/**
 * How the product's spans are made: as `Effect.withSpan` does, without a stack for each.
 *
 * A stack in case that something fails takes as long as all else about a span. What fails is told by its error, its own
 * stack and the trace that its log line names (decision 0024).
 */
import { Effect, Tracer } from "effect"

/** Around what is its own already, or another's: what happens in it has `span` as its parent. */
export const under = (span: Tracer.AnySpan) => Effect.provideService(Tracer.ParentSpan, span)

export const inSpan =
  (name: string, options: Tracer.SpanOptionsNoTrace = {}) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> =>
    Effect.useSpan(name, options, (span) => under(span)(self))
