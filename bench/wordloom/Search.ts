/** The product's worker with its own search index, until it is told to end. program.js search */
import { Effect, Layer } from "effect"
import { launch } from "../../programs/compose/Main.ts"
import * as Workers from "../../programs/compose/Workers.ts"
import { ready, report, whenTold } from "../ChildSide.ts"
import { foundation } from "./RealWorker.ts"

whenTold(() => process.kill(process.pid, "SIGTERM"))
process.once("exit", () => report({}))

/** A while for the worker to find that there is nothing, as one that has been up for long. */
const told = Layer.effectDiscard(Effect.andThen(Effect.sleep("500 millis"), Effect.sync(ready)))

launch(told.pipe(Layer.provide(Workers.layer), Layer.provide(foundation)))
