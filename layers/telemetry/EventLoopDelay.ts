/** Node's own measurement of how late timers are. */
import { Effect, Layer } from "effect"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { EventLoop } from "../../src/health/EventLoop.ts"

/** Milliseconds; what Node measures is this much more than the delay. */
const resolution = 20

export const layer = Layer.effect(
  EventLoop,
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const histogram = monitorEventLoopDelay({ resolution })
        histogram.enable()
        return histogram
      }),
      (histogram) => Effect.sync(() => histogram.disable())
    ),
    (histogram) => ({
      lagMs: Effect.sync(() => {
        const lag = histogram.max / 1e6 - resolution
        histogram.reset()
        return Math.max(0, lag)
      })
    })
  )
)
