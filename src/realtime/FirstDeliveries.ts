/**
 * The span in which each message was delivered first, for those that come again to link to it: bounded, and only of
 * this process. Whose first delivery was another process's, or is forgotten, links to nothing: its parent is what
 * published it already, and trace stores take a span that links to its own parent for a root.
 */
import { Tracer } from "effect"

/** More than come and are tried again meanwhile: of some hundred a second, all of the last half minute. */
const rememberedMax = 16_384

export interface FirstDeliveries {
  /** Answers the first delivery's span, where this is not it. `message` is its id, `undefined` what has none. */
  readonly met: (message: string, attempt: number, span: Tracer.AnySpan) => Tracer.AnySpan | undefined
}

export const make = (max = rememberedMax): FirstDeliveries => {
  const spans = new Map<string, Tracer.AnySpan>()
  return {
    met: (message, attempt, { sampled, spanId, traceId }) => {
      const first = attempt === 1 ? undefined : spans.get(message)
      // Those that are tried again and again stay the longest.
      spans.delete(message)
      if (attempt === 1) spans.set(message, Tracer.externalSpan({ traceId, spanId, sampled }))
      else if (first !== undefined) spans.set(message, first)
      if (spans.size > max) spans.delete(spans.keys().next().value!)
      return first
    }
  }
}
