/** A tracer that cannot hurt what it observes: whatever it throws is swallowed and counted. */
import { Exit, Tracer } from "effect"

/** Stands in for a span that could not be made; its ids are such that none is ever written anywhere. */
const lost = (options: Parameters<Tracer.Tracer["span"]>[0]): Tracer.Span => ({
  _tag: "Span",
  name: options.name,
  kind: options.kind,
  spanId: "noop",
  traceId: "noop",
  sampled: false,
  parent: options.parent,
  annotations: options.annotations,
  links: options.links,
  attributes: new Map(),
  status: { _tag: "Ended", startTime: options.startTime, endTime: options.startTime, exit: Exit.void },
  end: () => {},
  attribute: () => {},
  event: () => {},
  addLinks: () => {}
})

/**
 * Guards the making of spans, which Effect calls in the middle of the work that it wraps; a span guards its own
 * methods.
 * `onError` hears of each failure; it must not throw itself.
 */
export const safe = (tracer: Tracer.Tracer, onError: (error: unknown) => void): Tracer.Tracer =>
  Tracer.make({
    span: (options) => {
      try {
        return tracer.span(options)
      } catch (error) {
        onError(error)
        return lost(options)
      }
    }
  })
