/** The product's own worker, with a destination of the benchmark's. */
import { Effect, Layer } from "effect"
import * as Foundation from "../../programs/compose/Foundation.ts"
import { keepHeapSmall } from "../../programs/compose/SmallHeap.ts"
import * as Workers from "../../programs/compose/Workers.ts"
import { Destination } from "../../src/delivery/Destination.ts"
import type { Outcome } from "../../src/delivery/Settlement.ts"
import type { Delivery } from "../../src/outbox/Leases.ts"
import { Leases } from "../../src/outbox/Leases.ts"

// As programs/compose/Worker.ts does.
keepHeapSmall()

const done: Outcome = { _tag: "Written" }

/** Says of every row that it was told, after `seen` had a look at the batch. */
export const destination = (seen: (deliveries: ReadonlyArray<Delivery>) => void) =>
  Layer.succeed(
    Destination,
    Destination.of({
      deliver: (deliveries) =>
        Effect.sync(() => {
          seen(deliveries)
          return { outcomes: new Map(deliveries.map(({ id }) => [id, done])), calls: [] }
        })
    })
  )

/** Calls `settled` with the number of rows that each settlement found still held. */
export const counting = (settled: (rows: number) => void) =>
  Layer.effect(
    Leases,
    Effect.map(Leases, (leases) =>
      Leases.of({
        ...leases,
        settle: (batch, settlements) =>
          Effect.tap(leases.settle(batch, settlements), (held) => Effect.sync(() => settled(held.size)))
      }))
  )

export const worker = (told: Layer.Layer<Destination>) => Workers.around(Workers.drain("search", told))

export const foundation = Foundation.layer("wordloom-bench")
