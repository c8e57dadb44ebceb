/** The product's worker, with a destination that calls the address which a row names, in the trace that the row has. */
import { Effect, Layer } from "effect"
import * as Foundation from "../../programs/compose/Foundation.ts"
import { launch } from "../../programs/compose/Main.ts"
import * as Workers from "../../programs/compose/Workers.ts"
import { Destination } from "../../src/delivery/Destination.ts"
import type { Outcome } from "../../src/delivery/Settlement.ts"
import type { Delivery } from "../../src/outbox/Leases.ts"
import { TraceCarrier } from "../../src/telemetry/TraceCarrier.ts"
import { forward } from "./Forward.ts"

const written: Outcome = { _tag: "Written" }

const tell = Effect.fnUntraced(function*({ fields, trace }: Delivery) {
  const parent = (yield* TraceCarrier).extract(trace)
  const url = fields.find(({ field }) => field === "name")?.to
  if (typeof url !== "string" || parent === undefined) return
  yield* Effect.withParentSpan(forward(url, []), parent)
})

const destination = Layer.succeed(
  Destination,
  Destination.of({
    deliver: (rows) =>
      Effect.as(Effect.forEach(rows, tell, { concurrency: 8 }), {
        outcomes: new Map(rows.map(({ id }) => [id, written])),
        calls: []
      })
  })
)

launch(
  Layer.effectDiscard(Effect.logInfo("draining chronicle")).pipe(
    Layer.provide(Workers.around(Workers.drain("chronicle", destination))),
    Layer.provide(Foundation.layer("wordloom-outbox-worker"))
  )
)
