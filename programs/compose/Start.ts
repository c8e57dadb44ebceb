/** Everything in one process, for a first look and for small installations: API, page, workers, realtime chain. */
import { Effect, Layer } from "effect"
import * as ApiRoutes from "./ApiRoutes.ts"
import * as Border from "./Border.ts"
import * as ChainChecks from "./ChainChecks.ts"
import * as Foundation from "./Foundation.ts"
import { launch } from "./Main.ts"
import { forPlane } from "./NatsAddress.ts"
import { OpenDoor } from "./OpenDoor.ts"
import * as Realtime from "./Realtime.ts"
import * as Workers from "./Workers.ts"

// Plain text whatever the log format: this line is for the person, or the script, that waits for it.
const ready = (url: string) => Effect.sync(() => process.stdout.write(`wordloom ready ${url}\n`)).pipe(Effect.asVoid)

launch(
  ApiRoutes.layer(ready).pipe(
    Layer.provide([Realtime.inOneProcess, Workers.layerWith(Realtime.relay)]),
    Layer.provide(ChainChecks.inOneProcess),
    Layer.provide([Realtime.stores, Realtime.bus, OpenDoor.layer, Border.layer]),
    Layer.provide(Foundation.layer("wordloom", forPlane))
  )
)
