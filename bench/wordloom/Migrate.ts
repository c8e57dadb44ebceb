/** Brings a database's schema up, with the partition of the day, as a worker that starts would. */
import { Effect, Layer } from "effect"
import * as Housekeeping from "../../layers/postgres/Housekeeping.ts"
import { report } from "../ChildSide.ts"
import { foundation } from "./RealWorker.ts"

await Effect.runPromise(Effect.scoped(Layer.build(Housekeeping.layer.pipe(Layer.provide(foundation)))))
report({})
process.exit(0)
