/** The HTTP API: writes entities and their changes to PostgreSQL, and answers searches. */
import { Effect, Layer } from "effect"
import * as ApiRoutes from "./ApiRoutes.ts"
import * as Foundation from "./Foundation.ts"
import { launch } from "./Main.ts"
import { forPlane } from "./NatsAddress.ts"

launch(
  ApiRoutes.layer((url) => Effect.logInfo(`listening on ${url}`)).pipe(
    Layer.provide(Foundation.layer("wordloom-api", forPlane))
  )
)
