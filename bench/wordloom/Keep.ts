/**
 * The product's worker, with a search that refuses a row once if its request's id begins with `fail`.
 * program.js keep [told]; told: ends when its input does.
 */
import { Effect, Layer } from "effect"
import * as Keeping from "../../programs/compose/Keeping.ts"
import { launch } from "../../programs/compose/Main.ts"
import * as Workers from "../../programs/compose/Workers.ts"
import * as ChronicleDestination from "../../src/chronicle/ChronicleDestination.ts"
import { Destination } from "../../src/delivery/Destination.ts"
import type { Outcome } from "../../src/delivery/Settlement.ts"
import type { Delivery } from "../../src/outbox/Leases.ts"
import { ready, whenTold } from "../ChildSide.ts"
import { foundation } from "./RealWorker.ts"

const written: Outcome = { _tag: "Written" }
const refused: Outcome = {
  _tag: "Failed",
  failure: { class: "transient", errorType: "es_503", detail: "not now" }
}

const outcomeOf = ({ attempt, requestId }: Delivery): Outcome =>
  attempt === 1 && requestId?.startsWith("fail") === true ? refused : written

const refusing = Layer.succeed(
  Destination,
  Destination.of({
    deliver: (deliveries) =>
      Effect.sync(() => ({ outcomes: new Map(deliveries.map((row) => [row.id, outcomeOf(row)])), calls: [] }))
  })
)

const drains = Layer.mergeAll(
  Keeping.layer,
  Workers.drain("search", refusing),
  Workers.drain("chronicle", ChronicleDestination.layer)
)

const told = Layer.effectDiscard(Effect.sync(() => ready()))

if (process.argv[3] === "told") whenTold(() => process.kill(process.pid, "SIGTERM"))
launch(told.pipe(Layer.provide(Workers.around(drains)), Layer.provide(foundation)))
