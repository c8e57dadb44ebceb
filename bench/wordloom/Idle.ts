/** The product's worker, waiting: notes when each entity's change reached the destination. */
import { Effect, Layer } from "effect"
import { launch } from "../../programs/compose/Main.ts"
import { monotonic, ready, report, whenTold } from "../ChildSide.ts"
import { destination, foundation, worker } from "./RealWorker.ts"

const started: Array<readonly [key: string, at: string]> = []

const noted = destination((deliveries) => {
  const at = monotonic()
  for (const { entityId } of deliveries) started.push([entityId, at])
})

whenTold(() => process.kill(process.pid, "SIGTERM"))
process.once("exit", () => report(started))

/** A while for the worker to find that there is nothing, as one that has been up for long. */
const told = Layer.effectDiscard(Effect.andThen(Effect.sleep("500 millis"), Effect.sync(ready)))

launch(told.pipe(Layer.provide(worker(noted)), Layer.provide(foundation)))
