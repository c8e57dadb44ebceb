/** Signals of kept traces in memory: for tests, and as the shortest statement of what they promise. */
import { Clock, Duration, Effect, Layer } from "effect"
import { TraceSignals } from "../../src/telemetry/TraceSignals.ts"

export const layer = Layer.sync(TraceSignals, () => {
  const traces = new Map<string, { readonly at: number; isFound: boolean }>()
  const rebuilt = new Map<string, number>()
  const since = (ago: Duration.Duration) => Effect.map(Clock.currentTimeMillis, (now) => now - Duration.toMillis(ago))
  return TraceSignals.of({
    write: (signals) =>
      Effect.map(Clock.currentTimeMillis, (at) => {
        for (const { isFound, traceId } of signals) {
          const known = traces.get(traceId)
          traces.set(traceId, { at: known?.at ?? at, isFound: isFound || known?.isFound === true })
        }
      }),
    recent: (within) =>
      Effect.map(
        since(within),
        (from) =>
          [...traces].filter(([, { at }]) => at > from).toSorted(([, a], [, b]) => b.at - a.at).map(([traceId]) =>
            traceId
          )
      ),
    claim: (spans) =>
      Effect.map(Clock.currentTimeMillis, (at) => {
        const free = spans.filter(({ spanId, traceId }) =>
          traces.get(traceId)?.isFound !== true && !rebuilt.has(spanId)
        )
        for (const { spanId } of free) rebuilt.set(spanId, at)
        return new Set(free.map(({ spanId }) => spanId))
      }),
    purge: (olderThan) =>
      Effect.map(since(olderThan), (until) => {
        for (const [traceId, { at }] of traces) if (at < until) traces.delete(traceId)
        for (const [spanId, at] of rebuilt) if (at < until) rebuilt.delete(spanId)
      })
  })
})
