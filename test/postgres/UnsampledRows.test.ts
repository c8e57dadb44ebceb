/** A change of a trace that is not sampled keeps its context in the outbox, however many changes are left at once. */
import { assert, layer } from "@effect/vitest"
import { Effect, Tracer } from "effect"
import { fresh } from "../support/Backstage.ts"
import { claim, commitMany } from "../support/Changes.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"

layer(PostgresStores.layer, { excludeTestServices: true })("rows of an unsampled trace", (it) => {
  for (const [what, count] of [["one", 1], ["one of several", 3]] as const) {
    it.effect(`keep their context, and its flag: ${what}`, () =>
      Effect.gen(function*() {
        const caller = Tracer.externalSpan({ traceId, spanId: "00f067aa0ba902b7", sampled: false })
        yield* Effect.withParentSpan(commitMany(count), caller)
        for (const projection of ["search", "chronicle"] as const) {
          const { deliveries } = yield* claim({ projection })
          const kept = deliveries.map(({ trace }) => trace?.traceparent ?? "none")
          assert.strictEqual(new Set(kept).size, count, "each names its own span")
          for (const traceparent of kept) {
            assert.match(traceparent, new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`))
            assert.notInclude(traceparent, caller.spanId)
          }
        }
      }).pipe(fresh))
  }
})
