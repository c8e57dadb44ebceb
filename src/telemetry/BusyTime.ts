/**
 * How much of a span its own code was running, and how much it waited: for a network, a queue, a lock or its turn.
 *
 * A fiber runs in steps; what passes while one of its steps is evaluated is its busy time, and that of the fibers that
 * it starts in there. The program has one thread, so busy and idle make up the whole.
 */
import { Effect, type Fiber, Tracer } from "effect"

const evaluate = "~effect/Effect/evaluate" as const

const nanos = (ms: number) => Math.round(ms * 1e6)

export interface BusyTime {
  readonly busy_ns: number
  readonly idle_ns: number
}

/** What passed until now; `duration` says of the same span the sum of the two. */
export type Watch = () => BusyTime

/**
 * Runs `body` under a watch. It costs two looks at the clock per step, so it is for what serves a request as a whole
 * and not for every span.
 */
export const watched = <A, E, R>(body: (watch: Watch) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.tracer, (tracer) => {
    const startedAt = performance.now()
    let busy = 0
    let depth = 0
    const run = <X>(primitive: Tracer.EffectPrimitive<X>, fiber: Fiber.Fiber<unknown, unknown>): X =>
      tracer.context === undefined ? primitive[evaluate](fiber) : tracer.context(primitive, fiber)
    // A step may resume another fiber on the spot, whose steps are within it.
    const step = <X>(primitive: Tracer.EffectPrimitive<X>, fiber: Fiber.Fiber<unknown, unknown>): X => {
      if (depth > 0) return run(primitive, fiber)
      const from = performance.now()
      depth++
      try {
        return run(primitive, fiber)
      } finally {
        depth--
        busy += performance.now() - from
      }
    }
    const watch = () => ({
      busy_ns: nanos(busy),
      idle_ns: nanos(Math.max(0, performance.now() - startedAt - busy))
    })
    return Effect.withTracer(
      body(watch),
      Tracer.make({ span: (options) => tracer.span(options), context: step })
    )
  })
